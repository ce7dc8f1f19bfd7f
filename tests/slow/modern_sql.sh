#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Statements for today's servers are parsed, and where that is harmless run, by a modern engine (chdb from PyPI). Skipped
# where it cannot be had.
set -uo pipefail
: "${BUILD:?}" "${WORK:?}"
python=$(command -v python3) || exit 77
if ! "$python" -c 'import chdb' 2>/dev/null; then
    "$python" -m venv "$WORK/venv" >/dev/null 2>&1 && "$WORK/venv/bin/pip" install -q chdb >/dev/null 2>&1 || exit 77
    python=$WORK/venv/bin/python
fi
make -s -C "$BUILD" print-statements >/dev/null || exit 1
for version in 20.8 21.8 22.8 23.8 24.8 26.9; do
    "$BUILD/print-statements" "$version" | sed "s/^/$version	/" >>"$WORK/statements.tsv" || exit 1
done
cd "$WORK" || exit 1
"$python" - statements.tsv <<'PYTHON'
import re, sys
import chdb.session

# What an engine without a server, Keeper or privileges may say; a syntax or name error may not.
allowed = {1, 36, 48, 57, 60, 81, 115, 139, 159, 170, 279, 336, 344, 390, 392, 447, 480, 497, 511, 514, 668, 722, 999}
session = chdb.session.Session()
session.query("CREATE DATABASE IF NOT EXISTS default")
bad = n = 0
seen = set()
for line in open(sys.argv[1], encoding="utf-8"):
    version, name, sql = line.rstrip("\n").split("\t", 2)
    if sql in seen or name == "shutdown":
        continue
    seen.add(sql)
    n += 1
    try:
        session.query(sql)
        said = ""
    except Exception as e:
        said = str(e)
    code = int((re.search(r"Code: (\d+)", said) or [0, 0])[1]) if said else 0
    # system.zookeeper and others exist only beside a configured Keeper
    ok = not said or code in allowed or (code in (60, 47) and "system.zookeeper" in sql)
    print(f"{'ok' if ok else 'not ok'} {n} - {name} ({version})")
    if not ok:
        bad = 1
        print("# " + sql)
        print("# " + said.replace("\n", " ")[:400])
print(f"1..{n}")
sys.exit(bad)
PYTHON
