/* SPDX-License-Identifier: Apache-2.0 */
/* Settings sections (settings, profiles, quotas, users, files): sorted paths with a value. Values are those the peer's
 * users write (text, numbers, lists, references to Secrets), except that numbers are exact, maps may be nested, and
 * nothing is dropped without a word. */
#ifndef MODEL_SETTINGS_H
#define MODEL_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"

enum setting_kind {
    SETTING_TEXT,   /* values[0]; no value: an element that has only attributes (sub-paths may follow it) */
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

/* Canonical form of a path: slashes squashed, none at the ends. Caller frees. */
char *settings_path(const char *path);

/* Reading a section of a resource. */
struct settings_source {
    const char *where;      /* its path in the resource, for messages: "spec.configuration.settings" */
    const char *env_prefix; /* "CONFIGURATION_SETTINGS_": references become environment variables; NULL: they are refused */
    bool files;             /* a files section: references become mounted Secrets, values are texts */
    bool users;             /* a users section: k8s_secret_* keys keep an address, k8s_secret_env_* become references */
    char *(*expand)(void *ctx, const char *text); /* macros in keys and values; NULL = none. Result is freed */
    void *ctx;
    cJSON *warnings;        /* array; may be NULL */
};
/* Adds what `section` (an object; NULL = empty) says to `s`. Keys: "a/b", nested maps ("a": {"b": 1}), "@name" = attribute of
 * the enclosing element. ERR_INPUT with the path for a key that cannot be an XML element or a reference without a name. */
int settings_load(struct settings *s, const cJSON *section, const struct settings_source *src, struct err *err);

/* Name of the environment variable that carries a referenced Secret value: "CONFIGURATION_USERS_" + path in the letters an
 * environment variable may have, at most 96 bytes. Caller frees. */
char *settings_env_name(const char *prefix, const char *path);

/* The text ClickHouse gets for a JSON scalar: "true", "150", "18446744073709551615", "0.5". NULL when it is none. Caller
 * frees. */
char *settings_scalar(const cJSON *v);

#endif
