#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Holds the arrows between the rooms: which folder may include which. tests/ and bench/ may include all.
set -euo pipefail
cd "$(dirname "$0")/.."

declare -A may=(
    [base]=""
    [schema]="base"
    [model]="base schema"
    [render]="base model"
    [journal]="base"
    [kube]="base"
    [sql]="base"
    [keeper]="base"
    [workers]="base model sql keeper"
    [supervisor]="base schema model render journal kube sql keeper workers"
    [plane]="base schema kube/kinds.h"
    [exporter]="base schema model render journal kube sql"
    [cli]="base schema model render journal kube sql"
)
# Libraries that belong to few rooms, by the header's name: everything else goes through base/world.h.
declare -A only=(
    [sqlite3.h]="journal plane"
    [zookeeper/]="keeper"
    [curl/]="base kube cli"
    [event2/]="base journal keeper supervisor plane exporter cli"
    [libxml/]="plane render"
)
# Pure rooms: same input, same output. No clock, no network, no processes.
readonly pure='model render'
readonly impure='"base/world(_real)?\.h"|<(time|sys/time|sys/socket|netinet/in|netdb|pthread|signal|poll|fcntl)\.h>'

bad=0
complain() {
    echo "$1"
    bad=$((bad + 1))
}

# allowed ROOM HEADER: is this quoted include one of the room's arrows?
allowed() {
    local room=$1 header=$2 to
    for to in $room ${may[$room]}; do
        [ "$header" = "$to" ] || [ "${header%%/*}" = "$to" ] || continue
        return 0
    done
    return 1
}

one_library() {
    local room=$1 place=$2 header=$3 name
    for name in "${!only[@]}"; do
        [[ $header == "$name"* ]] || continue
        [[ " ${only[$name]} " == *" $room "* ]] || complain "$place: <$header> is not for $room/ (only: ${only[$name]})"
    done
}

one_include() {
    local room=$1 place=$2 text=$3 header
    header=$(sed -E 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]([^">]*)[">].*/\1/' <<<"$text")
    if [[ $text != *\"* ]]; then
        one_library "$room" "$place" "$header"
    elif [[ $header != */* ]]; then
        complain "$place: write the include with its room: \"$room/$header\""
    elif ! allowed "$room" "$header"; then
        complain "$place: $room/ may not include $header"
    fi
}

includes() { # FILES…: file:line:text
    grep -nE '^[[:space:]]*#[[:space:]]*include' /dev/null "$@" 2>/dev/null || true
}

shopt -s nullglob
for room in "${!may[@]}"; do
    while IFS=: read -r file line text; do
        one_include "$room" "$file:$line" "$text"
    done < <(includes "$room"/*.[ch] "$room"/*/*.[ch])
done
for room in $pure; do
    while IFS= read -r hit; do
        complain "$hit: $room/ is pure"
    done < <(includes "$room"/*.[ch] | grep -E "$impure" || true)
done
[ "$bad" -eq 0 ] || {
    echo "$bad includes against the arrows of the rooms"
    exit 1
}
