#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Lays out the file system of the operator's image: its programs, the shared libraries they load, time zones,
# certificates, and a user who is not root. Nothing else: no shell, no package manager.
#
#   deploy/image-root.sh PREFIX ROOT    PREFIX: where "make install" put bin/; ROOT: an empty folder
set -euo pipefail

[ $# -eq 2 ] || {
    sed -n '6s/^# *//p' "$0" >&2
    exit 2
}
prefix=$1
root=$2
mkdir -p "$root"/{etc,tmp,usr/bin,usr/share,etc/ssl/certs,etc/chfleet,var/lib/chfleet}
chmod 1777 "$root/tmp"
chown 65532:65532 "$root/var/lib/chfleet" 2>/dev/null || true

for program in chfleetd chfleet chfleet-exporter; do
    cp "$prefix/bin/$program" "$root/usr/bin/$program"
    strip "$root/usr/bin/$program"
    chmod 755 "$root/usr/bin/$program"
done
ln -s chfleet "$root/usr/bin/kubectl-chfleet"

# Each library under the path by which it is asked for. The loader comes by its absolute path.
libraries() {
    local out
    out=$(ldd "$prefix/bin/chfleetd" "$prefix/bin/chfleet" "$prefix/bin/chfleet-exporter")
    if grep -q 'not found' <<<"$out"; then
        grep 'not found' <<<"$out" >&2
        return 1
    fi
    sed -n 's/^.*=> \(\/[^ ]*\) (.*$/\1/p; s/^[[:space:]]*\(\/[^ ]*ld-[^ ]*\) (.*$/\1/p' <<<"$out" | sort -u
}
libraries | while IFS= read -r lib; do
    mkdir -p "$root$(dirname "$lib")"
    cp -L "$lib" "$root$lib"
done
# 30 MB of tables for encodings that we do not have: see icu-empty.c.
for data in "$root"/lib/*/libicudata.so.* "$root"/usr/lib/*/libicudata.so.*; do
    [ -f "$data" ] || continue
    name=$(basename "$data")
    ${CC:-cc} -shared -fPIC -O2 -Wl,-soname,"$name" -DDATA="icudt${name##*.so.}_dat" -o "$data" "$(dirname "$0")/icu-empty.c"
done
# Names are resolved by the C library itself.
printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
printf 'root:x:0:0:root:/:/nologin\nchfleet:x:65532:65532:chfleet:/var/lib/chfleet:/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\nchfleet:x:65532:\n' >"$root/etc/group"

cp -a /usr/share/zoneinfo "$root/usr/share/zoneinfo"
rm -rf "$root"/usr/share/zoneinfo/{posix,right,posixrules,leapseconds,localtime}
if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
fi
du -sk "$root" | awk '{printf "%d KiB\n", $1}'
