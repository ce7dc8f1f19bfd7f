#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The real worker fills a new host from an old one, both of them engines of today (chdb from PyPI): databases, tables, views,
# dictionaries, functions, named collections, users, quotas, profiles, policies, grants. Skipped where it cannot be had.
set -uo pipefail
: "${BUILD:?}" "${SRC:?}" "${WORK:?}"
python=$(command -v python3) || exit 77
if ! "$python" -c 'import chdb' 2>/dev/null; then
    "$python" -m venv "$WORK/venv" >/dev/null 2>&1 && "$WORK/venv/bin/pip" install -q chdb >/dev/null 2>&1 || exit 77
    python=$WORK/venv/bin/python
fi
make -s -C "$BUILD" modern-copy >/dev/null || exit 1
mkdir "$WORK/hosts" && exec "$python" "$SRC/tests/slow/modern_copy.py" "$WORK/hosts" "$BUILD/modern-copy"
