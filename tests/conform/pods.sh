# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What people do with the containers of pods, with the same results on the plane and on a kubelet: pods_facts NAME IMAGE [PORT], with
# KUBECONFIG set, check and wait_until at hand. It works in the namespace pods and deletes it. IMAGE has sh and what belongs to it.

kp() { timeout 60 kubectl -n pods "$@"; }
kp_manifest() { # IMAGE: one that talks and serves, one of two containers, one that ends
    cat <<YAML
apiVersion: v1
kind: Pod
metadata: {name: talks}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: c
      image: $1
      command: [sh, -c, 'i=0; while [ \$i -lt 200 ]; do echo line \$i; i=\$((i+1)); done; echo error >&2; sleep 1; echo ready; while true; do if [ -e /tmp/say-$KP ]; then cat /tmp/say-$KP; rm /tmp/say-$KP; fi; sleep 0.2; done']
---
apiVersion: v1
kind: Pod
metadata: {name: two, annotations: {kubectl.kubernetes.io/default-container: second}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - {name: first, image: $1, command: [sh, -c, 'echo I am first; exec sleep 3600']}
    - {name: second, image: $1, command: [sh, -c, 'echo I am second; exec sleep 3600'], env: [{name: WHO, value: second}]}
---
apiVersion: v1
kind: Pod
metadata: {name: ends}
spec:
  terminationGracePeriodSeconds: 1
  restartPolicy: Always
  containers:
    - {name: c, image: $1, command: [sh, -c, 'echo life of \$\$; sleep 2; exit 3']}
YAML
}
kp_is() { # WORDS ARGUMENTS…: kubectl prints exactly that
    local kp_want=$1 kp_out
    shift
    kp_out=$(kp "$@" 2>&1)
    printf '%s\n' "$kp_out" | tail -n 5 | cut -c1-300
    [ "$kp_out" = "$kp_want" ]
}
kp_fails() { # EXIT-CODE PATTERN ARGUMENTS…
    local kp_code=$1 kp_pattern=$2 kp_out kp_rc
    shift 2
    kp_out=$(kp "$@" 2>&1 </dev/null)
    kp_rc=$?
    printf '%s\n' "exit code $kp_rc: $kp_out"
    [ "$kp_rc" -eq "$kp_code" ] && grep -qE -- "$kp_pattern" <<<"$kp_out"
}
kp_bytes() { # N ARGUMENTS…: so many come
    local kp_n kp_want=$1
    shift
    kp_n=$(kp "$@" | wc -c)
    echo "$kp_n bytes"
    [ "$kp_n" -eq "$kp_want" ]
}
kp_logs() { kp logs talks "$@"; }
kp_input() { [ "$(head -c 3000000 /dev/zero | kp exec -i talks -- wc -c)" = 3000000 ]; }
kp_both() { # standard output and errors stay apart
    [ "$(kp exec talks -- sh -c 'echo out; echo err >&2' 2>/dev/null)" = out ] &&
        [ "$(kp exec talks -- sh -c 'echo out; echo err >&2' 2>&1 >/dev/null)" = err ]
}
kp_terminal() { # a terminal of 97 columns that becomes one of 61
    python3 - "$KUBECONFIG" <<'PY'
import fcntl, os, pty, re, select, struct, subprocess, sys, termios, time

def size(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

ours, theirs = pty.openpty()
size(ours, 33, 97)
child = subprocess.Popen(["kubectl", "--kubeconfig", sys.argv[1], "-n", "pods", "exec", "-it", "talks", "--", "sh"], stdin=theirs, stdout=theirs,
                         stderr=theirs, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
os.close(theirs)
seen = b""

def until(pattern, words):
    global seen
    end, said = time.time() + 20, 0.0
    seen = b""
    while time.time() < end:
        if time.time() > said + 1:
            os.write(ours, words)
            said = time.time()
        if select.select([ours], [], [], 0.2)[0]:
            try:
                seen += os.read(ours, 4096)
            except OSError:
                break
        if re.search(pattern, seen):
            return True
    print(seen)
    return False

good = until(rb"\n33 97\r", b"stty size\n")
size(ours, 21, 61)
good = good and until(rb"\n21 61\r", b"stty size\n")
os.write(ours, b"\x04exit 5\n")
end = time.time() + 10
while child.poll() is None and time.time() < end:
    if select.select([ours], [], [], 0.2)[0]:
        try:
            seen += os.read(ours, 4096)
        except OSError:
            break
try:
    code = child.wait(10)
except subprocess.TimeoutExpired:
    child.kill()
    code = "none"
print("exit code", code, seen[-300:])
sys.exit(0 if good and code in (0, 5) else 1)
PY
}
kp_follow() { # what is said while one looks
    timeout 30 kubectl -n pods logs -f --tail=1 talks >"$WORK/followed" 2>&1 &
    local kp_pid=$! kp_rc
    wait_until 10 grep -q . "$WORK/followed" && kp exec talks -- sh -c "echo said later >/tmp/say-$KP.new; mv /tmp/say-$KP.new /tmp/say-$KP" &&
        wait_until 10 grep -q '^said later$' "$WORK/followed"
    kp_rc=$?
    cat "$WORK/followed"
    kill "$kp_pid"
    wait "$kp_pid" 2>/dev/null
    return "$kp_rc"
}
kp_since() { # nothing of the beginning once some seconds have passed
    sleep 3
    [ -z "$(kp_logs --since=1s)" ] && [ "$(kp_logs --since=1h | wc -l)" -ge 202 ]
}
kp_since_time() { [ "$(kp_logs --since-time=2020-01-01T00:00:00Z | wc -l)" -ge 202 ]; }
kp_life() { # of an instance that is just being removed a kubelet has no log for a moment
    kp_before=$(kp logs ends --previous 2>&1)
    [[ $kp_before = 'life of '* ]]
}
kp_previous() {
    local kp_before='' kp_rc=0
    wait_until 60 kp_life || kp_rc=1
    echo "$kp_before"
    return "$kp_rc"
}
kp_forwards() { # two forwards of two ports each, ten connections
    local kp_port=$1 kp_pids='' kp_i kp_rc=0 kp_a kp_b
    for kp_i in 1 2; do
        timeout 60 kubectl -n pods port-forward pod/talks ":$kp_port" ":$((kp_port + 1))" >"$WORK/forward.$kp_i" 2>&1 &
        kp_pids="$kp_pids $!"
        wait_until 20 eval "[ \"\$(grep -c Forwarding.*127.0.0.1 '$WORK/forward.$kp_i')\" = 2 ]" || kp_rc=1
    done
    for kp_i in 1 2 1 2 1; do
        kp_a=$(sed -n "s/Forwarding from 127.0.0.1:\([0-9]*\) -> $kp_port\$/\1/p" "$WORK/forward.$kp_i")
        kp_b=$(sed -n "s/Forwarding from 127.0.0.1:\([0-9]*\) -> $((kp_port + 1))\$/\1/p" "$WORK/forward.$kp_i")
        [ "$(curl -s --max-time 10 "http://127.0.0.1:$kp_a/a")" = "from $kp_port" ] || kp_rc=1
        [ "$(curl -s --max-time 10 "http://127.0.0.1:$kp_b/b")" = "from $((kp_port + 1))" ] || kp_rc=1
    done
    # shellcheck disable=SC2086
    kill $kp_pids
    wait 2>/dev/null $kp_pids
    tail -n 3 "$WORK"/forward.[12]
    return "$kp_rc"
}
kp_nobody() { # what the forward says of a port where nobody listens
    timeout 30 kubectl -n pods port-forward pod/talks ":1" >"$WORK/forward.3" 2>&1 &
    local kp_pid=$! kp_rc=1 kp_a
    wait_until 20 grep -q 'Forwarding.*127.0.0.1' "$WORK/forward.3"
    kp_a=$(sed -n 's/Forwarding from 127.0.0.1:\([0-9]*\) -> 1$/\1/p' "$WORK/forward.3")
    curl -s --max-time 10 "http://127.0.0.1:$kp_a/" >/dev/null || wait_until 10 grep -qi 'refused' "$WORK/forward.3" && kp_rc=0
    cat "$WORK/forward.3"
    kill "$kp_pid" 2>/dev/null
    wait "$kp_pid" 2>/dev/null
    return "$kp_rc"
}

pods_facts() { # NAME IMAGE [PORT]: at PORT and PORT+1 of the pod somebody answers with "from PORT"
    local kp=$1
    KP=$$
    kubectl create namespace pods >/dev/null
    kp_manifest "$2" | kp apply -f - >/dev/null
    check "$kp: pods run" kp wait --for=condition=Ready pod/talks pod/two --timeout=60s
    check "$kp: kubectl logs has all lines" wait_until 20 kp_bytes "$({ seq -f 'line %g' 0 199; echo error; echo ready; } | wc -c)" logs talks
    check "$kp: kubectl logs --tail" kp_is ready logs talks --tail=1
    check "$kp: kubectl logs --limit-bytes" kp_bytes 10 logs talks --limit-bytes=10
    check "$kp: kubectl logs --since" kp_since
    check "$kp: kubectl logs --since-time" kp_since_time
    check "$kp: kubectl logs --timestamps" kp_fails 0 '^20[0-9-]*T[0-9:.]*[Z+].* ready$' logs talks --tail=1 --timestamps
    check "$kp: kubectl logs -f" kp_follow
    check "$kp: kubectl logs --previous" kp_previous
    check "$kp: kubectl logs --previous of one that did not end" kp_fails 1 'previous terminated container "c" in pod "talks" not found' logs talks --previous
    check "$kp: kubectl logs of the default container" kp_fails 0 '^I am second$' logs two
    check "$kp: kubectl logs -c" kp_is 'I am first' logs two -c first
    check "$kp: kubectl logs --all-containers" kp_fails 0 'I am first' logs two --all-containers
    check "$kp: kubectl logs of a container that is not there" kp_fails 1 'container none is not valid for pod two' logs two -c none
    check "$kp: kubectl logs of a pod that is not there" kp_fails 1 'pods "none" not found' logs none
    check "$kp: kubectl exec" kp_is second exec two -- sh -c 'echo $WHO'
    check "$kp: kubectl exec gives exit codes" kp_fails 42 'exit code 42' exec talks -- sh -c 'exit 42'
    check "$kp: … of a signal" kp_fails 137 'exit code 137' exec talks -- sh -c 'kill -9 $$'
    check "$kp: kubectl exec of a program that is not there" kp_fails 127 '' exec talks -- sh -c 'no-such-program'
    check "$kp: kubectl exec keeps output and errors apart" kp_both
    check "$kp: kubectl exec -i gets all of the input and its end" kp_input
    check "$kp: kubectl exec with much output" kp_bytes 20000000 exec talks -- head -c 20000000 /dev/zero
    check "$kp: kubectl exec -it has a terminal of the right size" kp_terminal
    check "$kp: kubectl exec in a container that is not there" kp_fails 1 'container (not found|none is not valid for pod two|none not found)' exec two -c none -- true
    check "$kp: kubectl exec in a pod that is not there" kp_fails 1 'pods "none" not found' exec none -- true
    check "$kp: kubectl port-forward to a pod that is not there" kp_fails 1 'pods "none" not found' port-forward pod/none 80
    [ -z "${3-}" ] || check "$kp: several kubectl port-forward with several ports each" kp_forwards "$3"
    check "$kp: kubectl port-forward to a port where nobody listens" kp_nobody
    check "$kp: kubectl cp from a container" kp_fails 0 '' cp talks:/etc/hostname "$WORK/copied"
    check "$kp: kubectl delete of pods that run" kp delete pod talks two ends --timeout=60s
    check "$kp: their namespace ends" kubectl delete namespace pods --timeout=60s
}
