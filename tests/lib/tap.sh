# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Results of a test script as TAP lines, counted in CASE and FAILED. A library may say more of a failure by functions of its
# own: check_failed COMMAND…, wait_failed. POLL_S: how long wait_until sleeps.
CASE=0
FAILED=0
POLL_S=0.1

say() { printf '# %s %s\n' "$(date +%T)" "$*"; }

# check NAME COMMAND…: one line of the result, and the end of what a failed command printed
check() {
    local name=$1 out at=$SECONDS
    shift
    CASE=$((CASE + 1))
    if out=$("$@" 2>&1); then
        echo "ok $CASE - $name"
        return
    fi
    FAILED=$((FAILED + 1))
    echo "not ok $CASE - $name (after $((SECONDS - at)) s)"
    printf '%s\n' "$out" | tail -n 60 | cut -c1-400 | sed 's/^/#   /'
    ! declare -F check_failed >/dev/null || check_failed "$@" | sed 's/^/#   /'
}

# wait_until SECONDS COMMAND…: the last try says what it sees
wait_until() {
    local end=$((SECONDS + $1))
    shift
    while ! "$@" >/dev/null 2>&1; do
        if [ "$SECONDS" -ge "$end" ]; then
            set -x
            "$@"
            set +x
            ! declare -F wait_failed >/dev/null || wait_failed
            return 1
        fi
        sleep "$POLL_S"
    done
}
