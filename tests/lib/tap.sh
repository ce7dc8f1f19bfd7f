# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Results of a test script as TAP lines, counted in CASE and FAILED. A library may say more of a failure by functions of its
# own: check_failed COMMAND…, wait_failed. POLL_S: how long wait_until sleeps. Locals carry tap_, since the commands that run
# below them see them in place of a script's own.
CASE=0
FAILED=0
POLL_S=0.1

say() { printf '# %s %s\n' "$(date +%T)" "$*"; }

# check NAME COMMAND…: one line of the result, and the end of what a failed command printed
check() {
    local tap_name=$1 tap_out tap_began=$SECONDS
    shift
    CASE=$((CASE + 1))
    if tap_out=$("$@" 2>&1); then
        echo "ok $CASE - $tap_name"
        return
    fi
    FAILED=$((FAILED + 1))
    echo "not ok $CASE - $tap_name (after $((SECONDS - tap_began)) s)"
    printf '%s\n' "$tap_out" | tail -n 60 | cut -c1-400 | sed 's/^/#   /'
    ! declare -F check_failed >/dev/null || check_failed "$@" | sed 's/^/#   /'
}

# wait_until SECONDS COMMAND…: the last try says what it sees
wait_until() {
    local tap_end=$((SECONDS + $1))
    shift
    while ! "$@" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$tap_end" ]; then
            set -x
            "$@"
            set +x
            ! declare -F wait_failed >/dev/null || wait_failed
            return 1
        fi
        sleep "$POLL_S"
    done
}
