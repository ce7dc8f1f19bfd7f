# SPDX-License-Identifier: Apache-2.0
"""monitoring.py rules DASHBOARD...   queries of dashboards as a rules file, for promtool to parse
monitoring.py names PAGE FILE...      metrics that dashboards and rules use and that neither the exporter's page nor ClickHouse has
"""
import json
import re
import sys

# What ClickHouse servers have under these names, now or in older versions, and Debian's 18.16 does not show or shows late.
KNOWN = {line.strip() for line in open("tests/deploy/prometheus/clickhouse-names.txt", encoding="utf-8") if line.strip() and line[0] != "#"}


def queries(path):
    if path.endswith(".json"):
        for p in json.load(open(path, encoding="utf-8"))["panels"]:
            for t in p.get("targets", []):
                yield t["expr"]
    else:
        for line in open(path, encoding="utf-8"):
            if line.strip().startswith("expr: "):
                yield json.loads(line.strip()[len("expr: "):])


def plain(expr):
    return re.sub(r"\$[a-z_]+", "x", expr.replace("$__rate_interval", "5m"))


def main():
    if sys.argv[1] == "rules":
        print("groups:\n  - name: dashboards\n    rules:")
        for path in sys.argv[2:]:
            for n, expr in enumerate(queries(path)):
                print("      - record: q%d\n        expr: %s" % (n, json.dumps(plain(expr))))
        return 0
    have = {line.split()[2] for line in open(sys.argv[2], encoding="utf-8") if line.startswith("# TYPE ")}
    have |= {n + s for n in have for s in ("_bucket", "_sum", "_count")}
    bad = 0
    for path in sys.argv[3:]:
        for expr in queries(path):
            for name in set(re.findall(r"\b(?:chi_clickhouse|clickhouse_operator|chfleet|process)_\w+", expr)):
                raw = re.sub(r"^chi_clickhouse_", "", name)
                if name not in have and raw not in KNOWN:
                    bad = 1
                    print("%s: nobody shows %s" % (path, name))
    return bad


if __name__ == "__main__":
    sys.exit(main())
