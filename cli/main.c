/* SPDX-License-Identifier: Apache-2.0 */
/* chfleet, also installed as kubectl-chfleet. */
#include <signal.h>

#include "base/log.h"
#include "cli/cli.h"
#include "cli/out.h"

int main(int argc, char **argv)
{
    struct cli c = {0};
    struct err err = ERR_INIT;
    int code;

    log_init("chfleet", LOG_WARN);
    signal(SIGPIPE, SIG_IGN); /* `chfleet … | head` and a server that hangs up are errors of a write, not deaths */
    code = cli_parse(argc, argv, &c, &err);
    if (cli_flag(&c, "no-color"))
        out_forbid_colour();
    if (code < 0) {
        code = cli_fail(&c, &err);
    } else if (c.help || !c.command) {
        cli_help(c.command);
        code = c.help ? EXIT_DONE : EXIT_USAGE;
    } else {
        code = c.command->run(&c);
    }
    cli_fini(&c);
    return code;
}
