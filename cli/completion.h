/* SPDX-License-Identifier: Apache-2.0 */
/* What is made of the table of commands beside --help: completion for shells, and the manual page. */
#ifndef CLI_COMPLETION_H
#define CLI_COMPLETION_H

#include "base/program.h"
#include "base/str.h"

void completion_bash(struct str *out);
void completion_zsh(struct str *out);
void cli_man(struct str *out); /* man(7), section 1 */

#endif
