#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The Terraform modules: format, and validation as far as their providers can be had.
# shellcheck source=tests/deploy/_lib.sh
. "$(dirname "$0")/_lib.sh"

if ! terraform=$(command -v terraform || go_tool terraform github.com/hashicorp/terraform@v1.5.7 2>"$WORK/why"); then
    skip "Terraform modules" "$(cat "$WORK/why")"
    finish
fi
if ! "$terraform" version >/dev/null 2>&1; then
    skip "Terraform modules" "$terraform does not run here"
    finish
fi
export TF_CLI_CONFIG_FILE=/dev/null CHECKPOINT_DISABLE=1 TF_IN_AUTOMATION=1
mkdir -p "$WORK/src"
cp -a deploy "$WORK/src/" # terraform writes beside what it reads
tf() { (cd "$WORK/src/deploy/terraform/$1" && shift && "$terraform" "$@" -no-color); }
formatted() { "$terraform" fmt -check -diff -recursive -no-color deploy/terraform; }
check "the files are formatted" formatted
init_and_validate() { tf "$1" init -input=false && tf "$1" validate; }
check "the module that needs no provider is valid" init_and_validate example-bundle
if tf example init -input=false >"$WORK/init" 2>&1; then
    check "the modules that use the Helm provider are valid" tf example validate
else
    skip "the modules that use the Helm provider are valid" "the provider cannot be had here"
fi
plans() {
    tf example-bundle plan -input=false -var image=x >"$WORK/plan" 2>&1 || {
        cat "$WORK/plan"
        return 1
    }
    grep -q 'terraform_data.operator' "$WORK/plan"
}
check "a plan of it names what it would do" plans
finish
