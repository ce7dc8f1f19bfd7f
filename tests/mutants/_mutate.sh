# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For the scripts beside it: makes a version of the product in which one thing is missing, and runs tests that must fail.
# Uses BUILD, SRC, WORK (an empty folder), and SEED: without CHFLEET_LONG only each PARTS-th mutant, which ones by SEED.
: "${SRC:?}" "${BUILD:?}" "${WORK:?}"
SEED=${SEED:-0}
cd "$BUILD" || exit 1

mutate_n=0
mutate_ran=0
mutate_bad=0

# ready TARGET…: what is linked again and again is built first.
ready() {
    make -s "$@" >"$WORK/build.log" 2>&1 || {
        cat "$WORK/build.log"
        exit 1
    }
}

has_turn() {
    mutate_n=$((mutate_n + 1))
    [ -z "${ONLY-}" ] || [[ $1 == *"$ONLY"* ]] || return 1
    [ -n "${CHFLEET_LONG-}${ONLY-}" ] || [ $(((mutate_n + SEED) % PARTS)) -eq 0 ]
}

complain() { # NAME WHAT [LOG]
    echo "not ok $mutate_n - $1: $2"
    [ -z "${3-}" ] || sed 's/^/# /' "$3"
    mutate_bad=1
}

# one_test NAME: exit code of a test of the mutant. "simknobs:PATTERN", "seed:SCENARIO:SEED:CHAOS:RUNS",
# "crash:SCENARIO", else a unit test.
one_test() {
    local what=$1 a
    IFS=: read -ra a <<<"$what"
    case "${a[0]}" in
    simknobs) timeout 120 "$WORK/knobs" "*${a[1]}*" ;;
    seed) timeout 120 "$WORK/scenarios" --scenario "${a[1]}" --seed "${a[2]}" --chaos "${a[3]}" --runs "${a[4]}" ;;
    crash) timeout 200 "$WORK/crash" --scenario "${a[1]}" --every "${a[2]:-3}" ;;
    *) timeout 60 "$WORK/$what" ;;
    esac
}

# control FILE TEST…: without a change they must pass, or they prove nothing.
control() {
    local file=$1 t
    shift
    cp "$SRC/$file" "$WORK/mutant.c"
    make -s "$MUTANT_TARGET" MUTANT_SOURCE="$WORK/mutant.c" MUTANT_DIR="$WORK" >"$WORK/make.log" 2>&1 || {
        complain "without a change" "it cannot be built" "$WORK/make.log"
        mutants_end
    }
    for t in "$@"; do
        one_test "$t" >"$WORK/out" 2>&1 </dev/null || {
            complain "without a change" "$t fails" "$WORK/out"
            mutants_end
        }
    done
    echo "ok - without a change all pass"
}

# mutant NAME FILE PERL TEST…: the file changed by the substitution must fail one of the tests. That it still fits is
# looked at whoever has the turn.
mutant() {
    local name=$1 file=$2 change=$3 t turn=0
    shift 3
    has_turn "$name" || turn=1
    perl -0pe "$change" "$SRC/$file" >"$WORK/mutant.c"
    if cmp -s "$WORK/mutant.c" "$SRC/$file"; then
        complain "$name" "the change does not fit $file any more"
        return
    fi
    [ "$turn" -eq 0 ] || return 0
    mutate_ran=$((mutate_ran + 1))
    if ! make -s "$MUTANT_TARGET" MUTANT_SOURCE="$WORK/mutant.c" MUTANT_DIR="$WORK" >"$WORK/make.log" 2>&1; then
        complain "$name" "it cannot be built" "$WORK/make.log"
        return
    fi
    for t in "$@"; do
        if ! ASAN_OPTIONS=detect_leaks=0 one_test "$t" >"$WORK/out" 2>&1 </dev/null; then
            echo "ok $mutate_n - $name ($t)"
            return
        fi
    done
    complain "$name" "nobody notices"
}

mutants_end() {
    [ "$mutate_ran" -gt 0 ] || echo "ok 1 - no turn # SKIP"
    echo "# $mutate_ran of $mutate_n"
    exit "$mutate_bad"
}
