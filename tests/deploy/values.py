# SPDX-License-Identifier: Apache-2.0
"""values.py CHART: every value of values.yaml is in values.schema.json and the other way round, and templates use each."""
import glob
import json
import sys

import yaml


def flat(tree, at=""):
    for k, v in tree.items():
        path = at + "." + k if at else k
        if isinstance(v, dict) and v:
            yield from flat(v, path)
        else:
            yield path


def schema_paths(node, root, at=""):
    if "$ref" in node:
        node = root["definitions"][node["$ref"].rsplit("/", 1)[1]]
    if "properties" not in node:
        yield at
        return
    for k, v in node["properties"].items():
        yield from schema_paths(v, root, at + "." + k if at else k)


def main():
    chart = sys.argv[1]
    values = set(flat(yaml.safe_load(open(chart + "/values.yaml", encoding="utf-8"))))
    schema = json.load(open(chart + "/values.schema.json", encoding="utf-8"))
    known = set(schema_paths(schema, schema)) - {"global"}
    text = "".join(open(f, encoding="utf-8").read() for f in glob.glob(chart + "/templates/*"))
    bad = 0
    for v in sorted(values):
        if not any(v == k or v.startswith(k + ".") for k in known):
            bad += 1
            print("not in the schema:", v)
        parts = v.split(".")
        used = any(".Values." + ".".join(parts[:n]) in text for n in range(len(parts), 0, -1))
        used = used or (len(parts) == 1 and '"%s"' % v in text)  # a list of sections
        if not used:
            bad += 1
            print("no template uses:", v)
    for k in sorted(known):
        if not any(v == k or v.startswith(k + ".") for v in values):
            bad += 1
            print("not in values.yaml:", k)
    return 1 if bad else 0


sys.exit(main())
