#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what chfleet needs from Debian, and nothing else: packages that are there stay as they are, no service of
# this machine is started, stopped or restarted, and the services that come with the new packages stay off at boot.
#
#   build-aux/packages.sh [--tests] [--list|--missing]
#
# --tests   also what ./check needs
# --list    only print the names
# --missing only print those that are not installed
set -euo pipefail

readonly policy=/usr/sbin/policy-rc.d
readonly marker='made by chfleet packages.sh'
build=(autoconf automake libtool pkg-config gcc make libc6-dev libsqlite3-dev libcurl4-openssl-dev libyaml-dev
    libevent-dev libcjson-dev libxml2-dev libssl-dev zlib1g-dev libzookeeper-st-dev libcmocka-dev)
servers=(zookeeper haproxy)
clickhouse=(clickhouse-server clickhouse-client)
tests=(valgrind shellcheck git jq curl iproute2 prometheus mandoc containerd runc containernetworking-plugins nftables
    busybox-static)
services=(clickhouse-server haproxy zookeeper prometheus containerd nftables)

say() { printf 'packages: %s\n' "$*" >&2; }
die() {
    say "$*"
    exit 1
}

installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null || true)" = installed ]
}

wanted() {
    local want=("${build[@]}" "${servers[@]}")
    # A modern single binary on PATH is used instead of Debian's server.
    command -v clickhouse >/dev/null 2>&1 || want+=("${clickhouse[@]}")
    [ "$with_tests" = no ] || want+=("${tests[@]}")
    printf '%s\n' "${want[@]}"
}

missing() {
    local name
    for name in $(wanted); do
        installed "$name" || printf '%s\n' "$name"
    done
}

# invoke-rc.d and deb-systemd-invoke ask this script before they start anything. Ours refuses as long as the process
# that made it lives, so that one left behind by a power cut forbids nothing afterwards.
policy_put() {
    if [ -e "$policy" ] && grep -qs "$marker" "$policy"; then
        rm -f "$policy"
    fi
    if [ -e "$policy" ]; then
        policy_denies
        return
    fi
    printf '#!/bin/sh\n# %s\nkill -0 %s 2>/dev/null || exit 0\nexit 101\n' "$marker" "$$" >"$policy.chfleet"
    chmod 755 "$policy.chfleet"
    trap 'rm -f "$policy" "$policy.chfleet"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    mv "$policy.chfleet" "$policy"
}

# A policy of the machine's owner stays as it is; when it would let services start, we do not install.
policy_denies() {
    local rc name
    for name in "${services[@]}"; do
        rc=0
        "$policy" "$name" start >/dev/null 2>&1 || rc=$?
        [ "$rc" -eq 101 ] || die "$policy of this machine lets new packages start services ($name). Install them \
yourself, or take that file away for a moment: apt-get install $(missing | tr '\n' ' ')"
    done
}

# The packages enable their services for the next boot. Only those this run brought in are switched off again.
keep_off() {
    local name=$1
    [ -e "/lib/systemd/system/$name.service" ] || [ -e "/etc/init.d/$name" ] || return 0
    if command -v systemctl >/dev/null 2>&1; then
        SYSTEMD_OFFLINE=1 systemctl --no-reload disable "$name.service" >/dev/null 2>&1 || true
    fi
    if [ -e "/etc/init.d/$name" ] && command -v update-rc.d >/dev/null 2>&1; then
        update-rc.d "$name" disable >/dev/null 2>&1 || true
    fi
    say "the package's own $name.service is not started, also not at boot (systemctl enable $name changes that)"
}

apt() {
    DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true UCF_FORCE_CONFFOLD=1 NEEDRESTART_SUSPEND=1 \
        apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold "$@" </dev/null >&2
}

install_all() {
    local fresh=() name
    for name in "${services[@]}"; do
        installed "$name" || fresh+=("$name")
    done
    policy_put
    if ! apt install --no-install-recommends "$@"; then
        say "trying again with fresh package lists"
        apt update || die "apt-get update failed: is this machine online?"
        apt install --no-install-recommends "$@" || die "apt-get install failed: $*"
    fi
    for name in "${fresh[@]}"; do
        if installed "$name"; then
            keep_off "$name"
        fi
    done
}

with_tests=no
what=install
for arg in "$@"; do
    case "$arg" in
    --tests) with_tests=yes ;;
    --list) what=list ;;
    --missing) what=missing ;;
    *)
        printf 'usage: packages.sh [--tests] [--list|--missing]\n' >&2
        exit 2
        ;;
    esac
done
if [ "$what" = list ]; then
    wanted
    exit
fi
command -v dpkg-query >/dev/null 2>&1 || die "this is not a Debian. Install what corresponds to: $(wanted | tr '\n' ' ')"
mapfile -t need < <(missing)
if [ "$what" = missing ]; then
    printf '%s\n' "${need[@]}"
    exit
fi
[ "${#need[@]}" -gt 0 ] || exit 0
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || die "needs root or sudo to install: ${need[*]}"
    exec sudo -- env "PATH=$PATH" "$0" "$@"
fi
exec 9>/run/chfleet-packages.lock
flock -w 900 9 || die "another installation has been running for 15 minutes"
mapfile -t need < <(missing)
if [ "${#need[@]}" -gt 0 ]; then
    say "installing ${need[*]}"
    install_all "${need[@]}" 9>&-
fi
