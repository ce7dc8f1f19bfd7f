/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of this room share. */
#ifndef TESTS_SCHEMA_HELP_H
#define TESTS_SCHEMA_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "schema/check.h"
#include "schema/fields.h"
#include "schema/yaml.h"

static inline struct schema_yaml *must_read(const char *text)
{
    struct err err = ERR_INIT;
    struct schema_yaml *y = NULL;

    if (schema_yaml_parse("f", text, strlen(text), &y, &err) < 0)
        fail_msg("%s\n%s", err.msg, text);
    return y;
}

static inline char *file_text(const char *name)
{
    auto_free char *path = mem_printf("%s/%s", SCHEMA_SRCDIR, name);
    FILE *f = fopen(path, "r");
    struct str text = STR_INIT;
    char part[4096];
    size_t n;

    if (!f)
        fail_msg("%s is missing", path);
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        str_addn(&text, part, n);
    fclose(f);
    return str_take(&text);
}

static inline void must_hold(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text);
}

#endif
