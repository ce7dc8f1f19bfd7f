/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what is installed beside the programs, from their own tables: print-pages NAME. Not installed itself. */
#include <stdio.h>
#include <string.h>

#include "cli/completion.h"
#include "exporter/program.h"
#include "plane/program.h"
#include "supervisor/program.h"

int main(int argc, char **argv)
{
    static const struct program *const programs[] = {&chfleetd_program, &exporter_program, &plane_program};
    const char *name = argc == 2 ? argv[1] : "";
    auto_str struct str out = STR_INIT;

    if (strcmp(name, "chfleet") == 0)
        cli_man(&out);
    else if (strcmp(name, "bash") == 0)
        completion_bash(&out);
    else if (strcmp(name, "zsh") == 0)
        completion_zsh(&out);
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        if (strcmp(name, programs[i]->name) == 0)
            program_man(programs[i], &out);
    if (!out.len) {
        fprintf(stderr, "print-pages: there is no page \"%s\"\n", name);
        return 2;
    }
    fputs(str_text(&out), stdout);
    return 0;
}
