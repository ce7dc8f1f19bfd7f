#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Argo CD: the health check of argocd/health.lua on statuses as the operator writes them.
# shellcheck source=tests/deploy/_lib.sh
. "$(dirname "$0")/_lib.sh"

lua=$(command -v lua5.1 || command -v luajit || command -v lua5.3 || command -v lua5.4 || command -v lua || true)
if [ -z "$lua" ]; then
    skip "health check of Argo CD" "no lua is installed"
    finish
fi
health() { # WANT OBJECT (a Lua table)
    cat >"$WORK/run.lua" <<LUA
obj = $2
local r = dofile("deploy/argocd/health.lua")
print(r.status .. ": " .. tostring(r.message))
os.exit(r.status == "$1" and type(r.message) == "string" and 0 or 1)
LUA
    "$lua" "$WORK/run.lua"
}
meta='metadata = { generation = 3 }, spec = {}'
check "without a status it is under way" health Progressing "{ $meta }"
check "with the status of an earlier generation, too" health Progressing \
    "{ $meta, status = { status = 'Completed', observedGeneration = 2 } }"
check "completed for this generation is healthy" health Healthy \
    "{ $meta, status = { status = 'Completed', observedGeneration = 3, conditions = { { type = 'Ready', status = 'True' } } } }"
check "so is what another operator completed" health Healthy "{ $meta, status = { status = 'Completed' } }"
check "a refused change is degraded" health Degraded \
    "{ $meta, status = { status = 'Aborted', observedGeneration = 3, conditions = { { type = 'Degraded', status = 'True', reason = 'REFUSED', message = 'no' } } } }"
check "a plan that waits for its approval is suspended" health Suspended \
    "{ $meta, status = { status = 'InProgress', observedGeneration = 3, conditions = { { type = 'Degraded', status = 'True', reason = 'WAIT_APPROVAL', message = 'look' } } } }"
check "spec.suspend is suspended" health Suspended "{ metadata = { generation = 3 }, spec = { suspend = 'Yes' }, status = { status = 'Completed' } }"
check "work that goes on is under way" health Progressing "{ $meta, status = { status = 'InProgress', observedGeneration = 3, hosts = 4, hostsCompleted = 1 } }"
check "so is removal" health Progressing "{ $meta, status = { status = 'Terminating', observedGeneration = 3 } }"
if have_yaml; then
    in_config() { # the text that argocd-cm.yaml has is this program
        python3 - <<'PY'
import yaml
data = yaml.safe_load(open("deploy/argocd/argocd-cm.yaml"))["data"]
want = "".join(l for l in open("deploy/argocd/health.lua") if not l.startswith("--"))
texts = [v for k, v in data.items() if ".health." in k]
assert len(texts) == 2 and all(t == want for t in texts), "argocd-cm.yaml has another text: run deploy/generate.sh"
for d in yaml.safe_load_all(open("deploy/argocd/application.yaml")):
    assert d["kind"] == "Application" and "ServerSideApply=true" in d["spec"]["syncPolicy"]["syncOptions"]
PY
    }
    check "argocd-cm.yaml holds it for both kinds" in_config
fi
finish
