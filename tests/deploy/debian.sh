#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Debian package: built by dpkg-buildpackage (--long), looked at by lintian, unpacked and run.
# shellcheck source=tests/deploy/_lib.sh
. "$(dirname "$0")/_lib.sh"

if ! command -v dpkg-buildpackage >/dev/null 2>&1 || ! command -v dh >/dev/null 2>&1; then
    skip "Debian package" "dpkg-dev and debhelper are not installed"
    finish
fi
version_same() { [ "$(dpkg-parsechangelog -S Version)" = "$(sed -n 's/^AC_INIT(\[chfleet\], \[\(.*\)\])/\1/p' configure.ac)" ]; }
check "its version is the one of configure.ac" version_same
libraries_same() {
    sed -n '/^Build-Depends/,/^[A-Z]/p' debian/control | grep -oE '\b[a-z0-9.+-]+-dev\b' | sort -u >"$WORK/control"
    build-aux/packages.sh --list | grep -oE '\b[a-z0-9.+-]+-dev\b' | grep -vE 'cmocka|libc6' | sort -u >"$WORK/packages"
    same "$WORK/control" "$WORK/packages"
}
check "it asks for the libraries that build-aux/packages.sh knows" libraries_same
if [ "$LONG" = 0 ]; then
    skip "dpkg-buildpackage makes it" "it compiles everything: --long does it"
    finish
fi
copy_source "$WORK/pkg/chfleet"
build() { (cd "$WORK/pkg/chfleet" && DEB_BUILD_OPTIONS="nocheck parallel=2" nice dpkg-buildpackage -us -uc -b 2>&1); }
check "dpkg-buildpackage makes it" build
deb=$(find "$WORK/pkg" -maxdepth 1 -name 'chfleet_*.deb' | head -n 1)
if [ -z "$deb" ]; then
    finish
fi
if command -v lintian >/dev/null 2>&1; then
    check "lintian finds no error and no warning" lintian --allow-root --fail-on error,warning "$deb"
else
    skip "lintian finds no error and no warning" "lintian is not installed"
fi
dpkg-deb -x "$deb" "$WORK/unpacked"
files() {
    local f
    for f in usr/bin/chfleet usr/bin/chfleetd usr/bin/chfleet-plane usr/bin/chfleet-exporter usr/bin/chfleet-shim usr/bin/kubectl-chfleet \
        lib/systemd/system/chfleet.service lib/systemd/system/chfleetd@.service usr/share/chfleet/programs.yaml \
        usr/share/man/man1/chfleet.1 usr/share/man/man1/kubectl-chfleet.1 usr/share/man/man8/chfleetd.8 \
        usr/share/man/man8/chfleet-exporter.8 usr/share/man/man8/chfleet-plane.8 usr/share/bash-completion/completions/chfleet \
        usr/share/zsh/vendor-completions/_chfleet lib/systemd/system/chfleet-exporter.service usr/share/doc/chfleet/install.md; do
        [ -e "$WORK/unpacked/$f" ] || [ -e "$WORK/unpacked/$f.gz" ] || {
            echo "no $f"
            return 1
        }
    done
}
check "programs, units and documents are in it" files
check "its chfleetd runs" "$WORK/unpacked/usr/bin/chfleetd" --version
dpkg-deb -e "$deb" "$WORK/control-files"
no_start() { ! grep -hE 'deb-systemd-invoke|systemctl (start|enable)' "$WORK/control-files/postinst" "$WORK/control-files/prerm" 2>/dev/null; }
check "installing it starts nothing, removing it stops no database" no_start
no_purge() { ! grep -hE 'rm -rf? .*var/lib' "$WORK/control-files/"* 2>/dev/null; }
check "a purge removes no data" no_purge
finish
