# SPDX-License-Identifier: Apache-2.0
"""Looks at YAML streams of Kubernetes objects for the tests of deploy/.

objects.py same A B [KIND]      are the objects of both files the same, whatever their order?
objects.py names A              "kind namespace/name" of each, sorted
objects.py rules A NAME         rules of the (Cluster)Role NAME, one "group resource verb" a line, sorted
objects.py list A               the same for a file that is only a list of rules
objects.py get A KIND PATH      the value at a dotted path of the first object of that kind, as JSON
objects.py pick A KIND...       a stream with the objects of these kinds only
objects.py hardened A           every container runs as others do not want it to: not root, read-only, no capabilities
"""
import json
import sys

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(path):
    with open(path, encoding="utf-8") as f:
        return [d for d in yaml.load_all(f, LOADER) if d]


def key(obj):
    meta = obj["metadata"]
    return "%s %s/%s" % (obj["kind"], meta.get("namespace", ""), meta["name"])


def triples(rules):
    out = set()
    for r in rules:
        for g in r["apiGroups"]:
            for what in r["resources"]:
                for verb in r["verbs"]:
                    out.add("%s %s %s%s" % (g or "core", what, verb, " " + ",".join(r["resourceNames"]) if "resourceNames" in r else ""))
    return sorted(out)


def at(obj, path):
    for part in path.split("."):
        obj = obj[int(part)] if isinstance(obj, list) else obj[part]
    return obj


def same(a, b):
    left, right = {key(o): o for o in load(a)}, {key(o): o for o in load(b)}
    bad = 0
    for k in sorted(set(left) | set(right)):
        if left.get(k) != right.get(k):
            bad += 1
            print("differs:", k)
            print("  ", json.dumps(left.get(k), sort_keys=True)[:1500])
            print("  ", json.dumps(right.get(k), sort_keys=True)[:1500])
    return bad


def hardened(path):
    bad = 0
    for obj in load(path):
        if obj["kind"] != "Deployment":
            continue
        pod = obj["spec"]["template"]["spec"]
        for c in pod["containers"]:
            s = c.get("securityContext", {})
            ok = (pod["securityContext"].get("runAsNonRoot") is True and pod["securityContext"]["runAsUser"] > 0
                  and pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
                  and s.get("readOnlyRootFilesystem") is True and s.get("allowPrivilegeEscalation") is False
                  and s.get("capabilities", {}).get("drop") == ["ALL"] and "memory" in c["resources"]["limits"])
            bad += not ok
            print(obj["metadata"]["name"], c["name"], "ok" if ok else "NOT HARDENED")
    return bad


def main():
    what, path, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
    if what == "same":
        return 1 if same(path, rest[0]) else 0
    if what == "names":
        print("\n".join(sorted(key(o) for o in load(path))))
    elif what == "rules":
        roles = [o for o in load(path) if o["kind"] in ("Role", "ClusterRole") and o["metadata"]["name"] == rest[0]]
        if not roles:
            print("no role", rest[0])
            return 1
        for line in triples(roles[0]["rules"]):
            print(line)
    elif what == "list":
        print("\n".join(triples(load(path)[0])))
    elif what == "get":
        print(json.dumps(at([o for o in load(path) if o["kind"] == rest[0]][0], rest[1]), sort_keys=True))
    elif what == "pick":
        print(yaml.dump_all([o for o in load(path) if o["kind"] in rest], sort_keys=False))
    elif what == "hardened":
        return 1 if hardened(path) else 0
    else:
        print(__doc__, file=sys.stderr)
        return 2
    return 0


sys.exit(main())
