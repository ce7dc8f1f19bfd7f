#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The documents: files, links, commands, options, fields and reason codes that they name are there, and docs/knobs.md says what
# the code does.
# shellcheck source=tests/deploy/_lib.sh
. "$(dirname "$0")/_lib.sh"

mapfile -t pages < <(ls README.md docs/*.md deploy/argocd/README.md 2>/dev/null)
code_of() { # FILE…: what stands in code, inline and in blocks, one piece a line
    awk '/^ *```/ { block = !block; next }
         block { print; next }
         { n = split($0, part, "`"); for (i = 2; i <= n; i += 2) print part[i] }' "$@"
}
code_of "${pages[@]}" >"$WORK/code"

files_exist() {
    local f bad=0
    for f in $(grep -ohE '\b(deploy|docs|examples|tests|build-aux|bench|supervisor|model|workers|base|kube|schema)/[A-Za-z0-9_./*@-]+' "$WORK/code" |
        sed -e 's/[.,:]*$//' | grep -vE 'ROOM|MODULE|NAME' | sort -u); do
        compgen -G "$f" >/dev/null || {
            echo "no $f ($(grep -l -F "$f" "${pages[@]}" | tr '\n' ' '))"
            bad=1
        }
    done
    return "$bad"
}
check "every file of the project that a page names is there" files_exist

slugs() { # FILE: anchors of its headings
    grep -E '^#+ ' "$1" | sed -E 's/^#+ +//' | tr '[:upper:]' '[:lower:]' | sed -e 's/[^a-z0-9 _-]//g' -e 's/ /-/g'
}
links_work() {
    local page link file anchor bad=0
    for page in "${pages[@]}"; do
        for link in $(grep -oE '\]\([^) ]+\)' "$page" | sed -e 's/^](//' -e 's/)$//' | grep -vE '^[a-z]+:'); do
            file=${link%%#*}
            anchor=
            [[ $link != *'#'* ]] || anchor=${link#*#}
            file=${file:+$(dirname "$page")/$file}
            file=${file:-$page}
            [ -e "$file" ] || {
                echo "$page: no $link"
                bad=1
                continue
            }
            if [ -n "$anchor" ] && ! slugs "$file" | grep -qx -e "$anchor"; then
                echo "$page: no heading for $link"
                bad=1
            fi
        done
    done
    return "$bad"
}
check "every link and its heading is there" links_work

# ---- commands ----
if [ -x "$BUILD/chfleet" ] && [ -x "$BUILD/chfleetd" ] && [ -x "$BUILD/chfleet-plane" ]; then
    "$BUILD/chfleet" --help >"$WORK/help"
    commands_known() { # "chfleet WORD …" and its options
        local line words command option help bad=0
        while IFS= read -r line; do
            read -ra words <<<"$line"
            command=
            set -- "${words[@]:1}"
            while [ $# -gt 0 ]; do
                case "$1" in
                -n | --namespace | --data | --kubeconfig) shift ;;
                -*) ;;
                *)
                    command=$1
                    break
                    ;;
                esac
                shift
            done
            [[ $command =~ ^[a-z]+$ ]] || continue
            grep -qE "^  $command +" "$WORK/help" || {
                echo "no command \"$command\": $line"
                bad=1
                continue
            }
            help=$("$BUILD/chfleet" "$command" --help)
            for option in $(grep -oE -- ' --[a-z][a-z-]+' <<<"${line%% -- *}"); do
                grep -qe "$option" <<<"$help" || {
                    echo "chfleet $command has no $option: $line"
                    bad=1
                }
            done
        done < <(sed -E -e 's/#.*$//' -e 's/ -n chfleet\b//g; s/sudo -u chfleet //; /kubectl [^c]/d; /^chfleet runs in/d; s/deployment chfleet//' "$WORK/code" |
            grep -oE '(^|[ (])((build/|kubectl )?chfleet( -[a-zA-Z-]+( [A-Za-z0-9_./-]+)?)* [a-z]+[^|&;)]*)' | sed -E 's/^[ (]+//; s/^kubectl chfleet/chfleet/; s/^build\///' | grep -E '^chfleet ')
        return "$bad"
    }
    check "every command of chfleet and its options exist" commands_known
    daemons_known() {
        local program option line bad=0
        for program in chfleetd chfleet-plane; do
            while IFS= read -r line; do
                for option in $(grep -oE -- '--[a-z][a-z-]+' <<<"$line"); do
                    grep -qe "$option" <<<"$("$BUILD/$program" --help 2>&1)" || {
                        echo "$program has no $option: $line"
                        bad=1
                    }
                done
            done < <(grep -E "(^|[ /])$program --" "$WORK/code")
        done
        return "$bad"
    }
    check "every option of the daemons exists" daemons_known
    fields_known() { # spec.… of an installation, reconcile.… and clickhouse.… of the configuration
        local path kind found bad=0
        for path in $(grep -ohE '\b(chi\.|chk\.)?spec\.[A-Za-z.]+|\breconcile\.[A-Za-z.]+|\bclickhouse\.access\.[A-Za-z.]+' "$WORK/code" | sed -e 's/\.*$//' | sort -u); do
            case "$path" in
            spec.template.*) continue ;; # of a StatefulSet
            esac
            found=no
            for kind in chi chk chopconf; do
                case "$path" in
                chi.* | chk.*) "$BUILD/chfleet" explain "$path" >/dev/null 2>&1 && found=yes ;;
                spec.*) "$BUILD/chfleet" explain "$kind.$path" >/dev/null 2>&1 && found=yes ;;
                *) "$BUILD/chfleet" explain "$kind.spec.$path" >/dev/null 2>&1 && found=yes ;;
                esac
                [ "$found" = no ] || break
            done
            [ "$found" = yes ] || {
                echo "no field $path ($(grep -l -F "$path" "${pages[@]}" | tr '\n' ' '))"
                bad=1
            }
        done
        return "$bad"
    }
    check "every field that a page names exists" fields_known
else
    skip "every command of chfleet and its options exist" "chfleet is not built in $BUILD"
fi
scripts_known() { # options of the scripts in deploy/
    local line script option bad=0
    while IFS= read -r line; do
        script=$(grep -oE 'deploy/(bundle|sync|generate|image-root)\.sh' <<<"$line" | head -n 1)
        for option in $(grep -oE -- ' --[a-z][a-z-]+' <<<"${line%%|*}"); do
            grep -qe "$option" "$script" || {
                echo "$script has no $option: $line"
                bad=1
            }
        done
    done < <(grep -E '^ *deploy/(bundle|sync|generate|image-root)\.sh' "$WORK/code")
    return "$bad"
}
check "every option of the scripts in deploy/ exists" scripts_known
values_known() { # --set of the operator's chart
    local value bad=0
    for value in $(grep -ohE -- '--set [A-Za-z.]+' "$WORK/code" | sed 's/--set //' | sort -u); do
        python3 - "$value" <<'PY' || {
import sys, yaml
def has(chart):
    node = yaml.safe_load(open("deploy/helm/%s/values.yaml" % chart))
    for part in sys.argv[1].split("."):
        if not isinstance(node, dict) or part not in node:
            return False
        node = node[part]
    return True
sys.exit(0 if has("chfleet") or has("clickhouse") else 1)
PY
            echo "no chart has the value $value"
            bad=1
        }
    done
    return "$bad"
}
if have_yaml; then
    check "every value of a chart exists" values_known
fi

# ---- reasons and incidents ----
reasons_told() {
    grep -rhoE '"(WAIT_[A-Z]+|HALTED|BAD_SPEC|REFUSED|FAILED)"' supervisor workers --include='*.c' | tr -d '"' | sort -u >"$WORK/want"
    grep -oE '^\| `[A-Z_`, ]+' docs/operations.md | grep -oE '\b(WAIT_[A-Z]+|HALTED|BAD_SPEC|REFUSED|FAILED)\b' | sort -u >"$WORK/have"
    same "$WORK/want" "$WORK/have"
}
check "docs/operations.md has every reason code, and no other" reasons_told
incidents_told() {
    # Long names stand on the line after the call.
    cat supervisor/*.c workers/*.c | tr '\n' ' ' | grep -oE '(task|super)_incident\([^;]*' | grep -oE '"[A-Z][A-Z_]+"' | tr -d '"' | grep -vx INCIDENT | sort -u >"$WORK/want"
    sed -n '/^\*\*Incidents\*\*/,/^\*\*The operator is down/p' docs/operations.md | grep -oE '`[A-Z][A-Z_]+`' | tr -d '`' | sort -u >"$WORK/have"
    same "$WORK/want" "$WORK/have"
}
check "it has every incident, and no other" incidents_told

# ---- docs/knobs.md ----
leaves() { # PAGE HEADING…: leaf fields of these tables
    local page=$1 heading
    shift
    for heading in "$@"; do
        awk -v h="## $heading" '$0 == h { on = 1; next } /^## / { on = 0 } on && /^\| `/ { print }' "$page" |
            grep -vE '\]\(#(reconcile|cleanupkinds)' | grep -oE '^\| `[A-Za-z]+`' | tr -d '|` '
    done
}
knobs_complete() {
    local field bad=0
    for field in $({
        leaves docs/reference/chi.md Reconcile ReconcileRuntime ReconcileHost.wait ReconcileHost.wait.replicas ReconcileHost.wait.probes ReconcileHost.drop.replicas Reconcile.cleanup Chfleet Chfleet.budgets Chfleet.replicas ReconcileStatefulSet.create ReconcileStatefulSet.update ReconcileStatefulSet.recreate CleanupKinds
        echo unknownObjects reconcileFailedObjects reconcileCHIsThreadsNumber
    } | sort -u); do
        case "$field" in
        host | runtime | replicas | probes | cleanup | budgets | statefulSet) continue ;;
        esac
        grep -qE "\`[A-Za-z., ]*\b$field\b|, \`?$field" docs/knobs.md || {
            echo "docs/knobs.md says nothing of $field"
            bad=1
        }
    done
    return "$bad"
}
check "docs/knobs.md has every knob of the resources" knobs_complete
# Each knob, and a word of the code that uses it outside of the place that reads it from the resource. Where the page says "no
# effect" there must be none; else there must be one.
uses=(
    'reconcileShardsThreadsNumber|shards_threads' 'reconcileShardsMaxConcurrencyPercent|shards_percent'
    'reconcileCHIsThreadsNumber|knobs_installations' 'wait.exclude|wait_exclude' 'wait.queries|wait_queries' 'wait.include|wait_include'
    'replicas.all|replicas_all' 'replicas.new|replicas_new' 'replicas.delay|replicas_delay_s' 'probes.startup|probe_startup'
    'probes.readiness|probe_readiness' 'onDelete|drop_on_delete' 'onLostVolume|drop_on_lost_volume' 'replicas.active|drop_active'
    'configMapPropagationTimeout|propagation_s' 'unknownObjects|knobs\.unknown' 'reconcileFailedObjects|failed\.service'
    'create.onFailure|create_failed' 'update.onFailure|update_failed' 'update.timeout|ready_s'
    'update.pollInterval|poll_s' 'reconcile.policy|wait_queries' 'onDataLoss|recreate_on_data_loss' 'onUpdateFailure|recreate_on_update'
    'minServing|min_serving' 'chfleet.hooks|"hooks"' 'pdbMaxUnavailable|pdb_max_unavailable'
    'chfleet.windows|"windows"' 'chfleet.waves|"waves"' 'budgets.maxUnavailableHosts|budgets\.maxUnavailableHosts'
    'budgets.failures|budgets\.failures' 'pdbPerShard|budgets\.pdbPerShard' 'chfleet.approval|"approval"' 'chfleet.consent|"consent"'
)
knobs_true() {
    local one knob word row used bad=0
    for one in "${uses[@]}"; do
        knob=${one%%|*}
        word=${one#*|}
        row=$(grep -E "^\| \`[^|]*${knob//./\\.}" docs/knobs.md | head -n 1)
        used=no
        grep -rqE "$word" --include='*.c' supervisor workers render model/plan.c model/plan_print.c && used=yes
        [ -n "$row" ] || {
            echo "no row for $knob"
            bad=1
            continue
        }
        if grep -q 'no effect' <<<"$(cut -d'|' -f4 <<<"$row" | cut -c1-12)"; then
            [ "$used" = no ] || {
                echo "$knob: the page says \"no effect\", the code uses $word: say what it does"
                bad=1
            }
        elif [ "$used" = no ]; then
            echo "$knob: the page says what it does, but nothing uses $word"
            bad=1
        fi
    done
    return "$bad"
}
check "what it says of each knob's effect is so in the code" knobs_true
permits_true() { # the steps of each permit, by the step tables
    local step bad=0
    for step in leave drain replace shutdown orphan halt drop-replica volumes forget caught-up started join; do
        grep -qE "STEP\(\"$step\"" model/steps.c || {
            echo "no step $step in model/steps.c"
            bad=1
        }
    done
    grep -qE 'STEP\("leave".*PLANNED' model/steps.c && grep -qE 'STEP\("shutdown".*DOWN' model/steps.c && grep -qE 'STEP\("replace".*KEEPER' model/steps.c &&
        grep -qE 'STEP\("drop-replica".*OWNER' model/steps.c && [ "$bad" -eq 0 ]
}
check "the steps that it names are in the step tables, with these permits" permits_true
finish
