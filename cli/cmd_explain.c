/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "cli/cli.h"
#include "cli/out.h"
#include "model/steps.h"
#include "schema/explain.h"

static void print_topics(void)
{
    const struct step_table *t;

    printf("%sResources%s (chfleet explain chi, chfleet explain chi.spec.configuration.clusters)\n", out_bold(), out_plain());
    for (int i = 0; i < SCHEMA_KINDS; i++) {
        const struct schema_resource *r = schema_resource((enum schema_kind)i);

        printf("  %-9s %s. %s\n", r->short_name, r->kind, r->text);
    }
    printf("  %-9s the operator's configuration file\n\n", "config");
    printf("%sStep tables%s (chfleet explain restart): what is done, in order\n", out_bold(), out_plain());
    for (size_t i = 0; (t = steps_at(i)); i++)
        printf("  %-19s %s\n", t->name, t->what);
}

int cmd_explain(struct cli *c)
{
    struct err err = ERR_INIT;
    auto_str struct str text = STR_INIT;
    const struct step_table *table = c->n_args ? steps_table(c->args[0]) : NULL;

    if (c->n_args == 0) {
        print_topics();
        return EXIT_DONE;
    }
    if (table)
        steps_print(table, &text);
    else if (schema_explain(c->args[0], cli_flag(c, "tree"), &text, &err) < 0) {
        cli_fail(c, &err);
        fprintf(stderr, "chfleet explain, without a word behind it, lists resources and step tables\n");
        return err_exit_code(&err);
    }
    fputs(str_text(&text), stdout);
    return EXIT_DONE;
}
