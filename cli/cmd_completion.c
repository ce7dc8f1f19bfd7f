/* SPDX-License-Identifier: Apache-2.0 */
/* chfleet completion: a script for the user's shell. */
#include <stdio.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/completion.h"

int cmd_completion(struct cli *c)
{
    auto_str struct str out = STR_INIT;
    struct err err = ERR_INIT;

    if (str_eq(c->args[0], "bash")) {
        completion_bash(&out);
    } else if (str_eq(c->args[0], "zsh")) {
        completion_zsh(&out);
    } else {
        err_set(&err, ERR_INPUT, 0, "there is no completion for %s; write bash or zsh", c->args[0]);
        return cli_fail(c, &err);
    }
    fputs(str_text(&out), stdout);
    return EXIT_DONE;
}
