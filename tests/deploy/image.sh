#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The operator's image: what deploy/image-root.sh lays out is small, complete, and runs as a user without rights.
# shellcheck source=tests/deploy/_lib.sh
. "$(dirname "$0")/_lib.sh"

if [ ! -x "$BUILD/chfleetd" ] || [ ! -x "$BUILD/chfleet" ] || [ ! -x "$BUILD/chfleet-exporter" ]; then
    skip "operator's image" "chfleetd, chfleet and chfleet-exporter are not built in $BUILD"
    finish
fi
mkdir -p "$WORK/stage/bin"
cp "$BUILD/chfleetd" "$BUILD/chfleet" "$BUILD/chfleet-exporter" "$WORK/stage/bin/"
root=$WORK/root
check "the file system of the image can be laid out" deploy/image-root.sh "$WORK/stage" "$root"
small() {
    local kib
    kib=$(du -sk "$root" | cut -f1)
    echo "$kib KiB"
    [ "$kib" -lt $((40 * 1024)) ]
}
check "it is smaller than 40 MiB" small
no_shell() { ! find "$root" \( -name sh -o -name bash -o -name busybox \) -print | grep .; }
check "there is no shell in it" no_shell
not_writable() { ! find "$root" -type f -perm /022 -print | grep . && ! find "$root" -perm /6000 -print | grep .; }
check "no file of it may be written by others, none runs as its owner" not_writable
if [ "$(id -u)" -eq 0 ] && chroot --userspec=65532:65532 "$root" /usr/bin/chfleetd --version >/dev/null 2>&1; then
    inside() { chroot --userspec=65532:65532 "$root" "$@"; }
    check "chfleetd runs in it as user 65532" inside /usr/bin/chfleetd --version
    check "so does the exporter" inside /usr/bin/chfleet-exporter --version
    check "so does the command line, which explains a field" inside /usr/bin/chfleet explain chi.spec.reconcile
    check "so does kubectl's plug-in" inside /usr/bin/kubectl-chfleet --help
    starts() { # in a pod's way: options and environment of the bundle, but no API server to be found
        local out rc=0
        out=$(OPERATOR_POD_NAMESPACE=chfleet OPERATOR_POD_NAME=a inside /usr/bin/chfleetd --data=/var/lib/chfleet 2>&1 </dev/null) || rc=$?
        echo "$rc: $out"
        [ "$rc" -ne 0 ] && [ "$rc" -lt 126 ] && grep -qiE 'kubeconfig|cluster' <<<"$out"
    }
    check "without an API server it says so instead of crashing" starts
else
    skip "chfleetd runs in it as user 65532" "only root can chroot"
fi
xml_works() { # libxml2 with the empty ICU data: all encodings that we write or read
    local lib
    lib=$(dirname "$(find "$root" -name 'libicudata.so.*' | head -n 1)")
    printf '<?xml version="1.0" encoding="ISO-8859-1"?><a>\344</a>' >"$WORK/a.xml"
    printf '<?xml version="1.0" encoding="UTF-8"?><a>\303\244</a>' >"$WORK/b.xml"
    [ "$(LD_LIBRARY_PATH=$lib xmllint --encode UTF-8 "$WORK/a.xml" | tail -n 1)" = "$(printf '<a>\303\244</a>')" ] &&
        [ "$(LD_LIBRARY_PATH=$lib xmllint --encode UTF-8 "$WORK/b.xml" | tail -n 1)" = "$(printf '<a>\303\244</a>')" ]
}
if ! find "$root" -name 'libicudata.so.*' | grep -q .; then
    skip "XML is read without ICU's tables" "this libxml2 does not use ICU"
elif command -v xmllint >/dev/null 2>&1; then
    check "XML is read without ICU's tables" xml_works
else
    skip "XML is read without ICU's tables" "xmllint is not installed"
fi
build_packages() { # of the Dockerfile and of build-aux/packages.sh: what a build needs
    sed -n '/apt-get install/,/rm -rf/p' deploy/Dockerfile | grep -oE '\b[a-z0-9.+-]+-dev\b' | sort -u >"$WORK/docker"
    build-aux/packages.sh --list | grep -oE '\b[a-z0-9.+-]+-dev\b' | grep -v cmocka | sort -u >"$WORK/packages"
    same "$WORK/docker" "$WORK/packages"
}
check "the Dockerfile installs the libraries that build-aux/packages.sh knows" build_packages
docker_rules() {
    grep -q '^FROM scratch$' deploy/Dockerfile && grep -q '^USER 65532:65532$' deploy/Dockerfile && grep -q '^ENTRYPOINT \["/usr/bin/chfleetd"\]$' deploy/Dockerfile
}
check "the last stage starts from nothing and is not root" docker_rules
finish
