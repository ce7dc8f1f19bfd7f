#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Ansible playbooks: syntax, and ansible-lint with its strictest profile.
export LC_ALL=C.UTF-8 # ansible wants a UTF-8 locale
# shellcheck source=tests/deploy/_lib.sh
. "$(dirname "$0")/_lib.sh"

bin=
if command -v ansible-lint >/dev/null 2>&1; then
    bin=$(dirname "$(command -v ansible-lint)")
elif [ -x "$TOOLS/ansible/bin/ansible-lint" ]; then
    bin=$TOOLS/ansible/bin
elif [ "$LONG" = 1 ] && python3 -m venv "$TOOLS/ansible" >/dev/null 2>&1 &&
    "$TOOLS/ansible/bin/pip" install -q ansible-lint >"$WORK/pip.log" 2>&1; then
    bin=$TOOLS/ansible/bin
fi
if [ -z "$bin" ]; then
    skip "Ansible playbooks" "ansible-lint is not there; --long installs it from PyPI into $TOOLS"
    finish
fi
export PATH=$bin:$PATH ANSIBLE_HOME=$WORK/ansible ANSIBLE_LOCALHOST_WARNING=False
cp -a deploy/ansible "$WORK/src"
cd "$WORK/src" || exit 1
check "the playbooks have no syntax error" ansible-playbook --syntax-check -i inventory.ini machine.yml cluster.yml
check "ansible-lint finds nothing" ansible-lint --offline -q machine.yml cluster.yml
finish
