/* SPDX-License-Identifier: Apache-2.0 */
/* print-statements MAJOR.MINOR: every statement a server of that version gets, one per line: name, TAB, text. */
#include <stdio.h>
#include <string.h>

#include "sql/statements.h"

static const struct sql_arg some[] = {
    {"limit", "10"}, {"before", "1"},     {"seconds", "10"}, {"path", "/x"},       {"pattern", "chfleet-1-2-%"},
    {"table", "t"},  {"replica", "it's"}, {"kind", "ROLE"},  {"name", "odd`name"}, {"database", "default"},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    struct sql_version v;
    const struct sql_variant *s;
    const char *last = "";

    if (argc != 2 || sql_version_parse(argv[1], &v) < 0)
        return 2;
    for (size_t i = 0; (s = sql_variant_at(i)); i++) {
        auto_str struct str text = STR_INIT;
        struct err err = ERR_INIT;

        if (strcmp(s->name, last) == 0 || !sql_has(s->name, &v))
            continue;
        last = s->name;
        if (sql_statement(&text, s->name, &v, some, &err) < 0) {
            fprintf(stderr, "%s: %s\n", s->name, err.msg);
            return 1;
        }
        printf("%s\t%s\n", s->name, str_text(&text));
    }
    return 0;
}
