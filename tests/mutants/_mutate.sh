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
mutate_control=()

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

# program_of TEST: what runs it, without "test-".
program_of() {
    case "$1" in
    simknobs:*) echo sim-knobs ;;
    fences:*) echo sim-fences ;;
    seed:*) echo sim-scenarios ;;
    crash:*) echo sim-crash ;;
    *) echo "$1" ;;
    esac
}

# one_test NAME: exit code of a test of the mutant. "simknobs:PATTERN", "fences:PATTERN",
# "seed:SCENARIO:SEED:CHAOS:RUNS", "crash:SCENARIO[:EVERY]", else a unit test: its program without "test-".
one_test() {
    local a
    IFS=: read -ra a <<<"$1"
    case "${a[0]}" in
    simknobs) timeout 120 "$WORK/sim-knobs" "*${a[1]}*" ;;
    fences) timeout 120 "$WORK/sim-fences" "*${a[1]}*" ;;
    seed) timeout 120 "$WORK/sim-scenarios" --scenario "${a[1]}" --seed "${a[2]}" --chaos "${a[3]}" --runs "${a[4]}" ;;
    crash) timeout 200 "$WORK/sim-crash" --scenario "${a[1]}" --every "${a[2]:-3}" ;;
    journal-crash) timeout 90 "$WORK/$1" ;;
    *) ./corral -t 25 -- "$WORK/$1" ;; # a mutant may hang, and leave processes behind
    esac
}

# build TEST…: their programs, of $mutate_sources.
build() {
    local t programs=()
    for t in "$@"; do programs+=("$(program_of "$t")"); done
    make -s mutant MUTANT_SOURCES="$mutate_sources" MUTANT_DIR="$WORK" \
        MUTANT_TESTS="$(printf '%s\n' "${programs[@]}" | sort -u | tr '\n' ' ')" >"$WORK/make.log" 2>&1
}

# change FILES PERL: $mutate_sources are the files after it; false when one of them is as before.
change() {
    local f n=0
    mutate_sources=
    for f in $1; do
        n=$((n + 1))
        perl -0pe "$2" "$SRC/$f" >"$WORK/mutant$n.c"
        ! cmp -s "$WORK/mutant$n.c" "$SRC/$f" || return 1
        mutate_sources="$mutate_sources $WORK/mutant$n.c"
    done
}

# control FILES TEST…: without a change they must pass, or they prove nothing. Looked at when a mutant after it has its turn.
control() { mutate_control=("$@"); }

controlled() {
    local files=$1 t
    shift
    mutate_control=()
    change "$files" 's/\z/\n/'
    build "$@" || {
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

# mutant NAME FILES PERL TEST…: the files, each changed by the substitutions, must fail one of the tests. That it still
# fits is looked at whoever has the turn.
mutant() {
    local name=$1 files=$2 turn=0 perl=$3 t
    shift 3
    has_turn "$name" || turn=1
    if ! change "$files" "$perl"; then
        complain "$name" "the change does not fit $files any more"
        return
    fi
    [ "$turn" -eq 0 ] || return 0
    if [ ${#mutate_control[@]} -gt 0 ]; then
        controlled "${mutate_control[@]}"
        change "$files" "$perl"
    fi
    mutate_ran=$((mutate_ran + 1))
    if ! build "$@"; then
        complain "$name" "it cannot be built" "$WORK/make.log"
        return
    fi
    for t in "$@"; do
        if ! ASAN_OPTIONS=detect_leaks=0 one_test "$t" >"$WORK/out" 2>&1 </dev/null; then
            echo "ok $mutate_n - $name ($t)"
            [ -z "${SHOW-}" ] || grep -vE '^ok|^\[ +(OK|RUN)' "$WORK/out" | head -n "$SHOW" | cut -c1-220 | sed 's/^/# /'
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
