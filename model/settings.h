/* SPDX-License-Identifier: Apache-2.0 */
/* Settings sections (settings, profiles, quotas, users, files): sorted paths with a value. Values as contract.md §7,
 * except that numbers are exact and nothing is silently dropped. */
#ifndef MODEL_SETTINGS_H
#define MODEL_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"

enum setting_kind {
    SETTING_TEXT,   /* values[0] */
    SETTING_LIST,   /* the element is repeated */
    SETTING_REMOVE, /* remove="1" */
    SETTING_ENV,    /* from_env="values[0]" */
    SETTING_FILE,   /* files only: Secret mounted as file; secret_name, secret_key */
};

struct setting {
    char *path; /* "logger/level" */
    enum setting_kind kind;
    char **values;
    size_t n_values;
    char *attributes;              /* text as `name="value" …`, or NULL */
    char *secret_name, *secret_key; /* where a SETTING_ENV / SETTING_FILE comes from */
};

struct settings {
    struct setting *v; /* sorted bytewise by path, unique */
    size_t n;
};

void settings_fini(struct settings *s);
struct setting *settings_find(const struct settings *s, const char *path);
/* Replaces; copies everything. */
void settings_put(struct settings *s, const struct setting *one);
void settings_put_text(struct settings *s, const char *path, const char *value);
void settings_drop(struct settings *s, const char *path);
/* Adds what `s` lacks. */
void settings_fill(struct settings *s, const struct settings *from);

#endif
