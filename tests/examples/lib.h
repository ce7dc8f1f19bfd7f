/* SPDX-License-Identifier: Apache-2.0 */
/* The manifests of examples/, as an API server would have them, and what is made of them. */
#ifndef TESTS_EXAMPLES_LIB_H
#define TESTS_EXAMPLES_LIB_H

#include "schema/yaml.h"
#include "tests/model/cluster.h"

struct example {
    char *path;                 /* "layout/shards.yaml" */
    char *text;                 /* the file */
    struct schema_yaml *yaml;   /* with places; its documents are given away to `state` after the checks */
    struct cluster_state state; /* all its objects, with namespace, uid and decoded Secrets */
    cJSON *config;              /* effective operator configuration, with the example's own resources over it */
};

/* All manifests in the folders of examples/ and examples/quickstart.yaml, sorted; the ones with every parameter are not among
 * them. The list ends with NULL; examples_free() frees it. */
char **examples_list(void);
/* Manifests of tests/examples/cases/, which only tests need; same form. */
char **cases_list(void);
void examples_free(char **list);

/* Fails the test when the file cannot be read. */
void example_load(const char *path, struct example *e);
/* Puts the documents into `state`. After this e->yaml has none any more. */
void example_state(struct example *e);
void example_fini(struct example *e);

bool example_is_installation(const cJSON *object); /* ClickHouseInstallation or ClickHouseKeeperInstallation */
/* The fleet of one of the example's installations. */
int example_fleet(const struct example *e, const cJSON *resource, const struct addressing *a, struct fleet **out,
                  struct err *err);
/* What stands after "# What: " in the head of the file, one line each; calls fn for each. Returns the number. */
int example_notes(const struct example *e, const char *what, void (*fn)(void *ctx, const char *text), void *ctx);

#endif
