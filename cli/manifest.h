/* SPDX-License-Identifier: Apache-2.0 */
/* Resources from files, folders and standard input, checked, in the order of the files. */
#ifndef CLI_MANIFEST_H
#define CLI_MANIFEST_H

#include <stddef.h>

#include "base/err.h"
#include "base/json.h"
#include "cli/cli.h"
#include "kube/kinds.h"
#include "schema/yaml.h"

struct manifest {
    cJSON *obj;          /* owned; metadata.namespace is set where the kind has one */
    enum kube_kind kind;
    char *file;
    struct schema_pos pos;
};
struct manifests {
    struct manifest *v;
    size_t n;
    size_t notes; /* printed hints that are not errors */
};

/* All -f of this command. Problems are printed on stderr, file by file, with line and column; then -1 and ERR_INPUT that
 * counts them. Namespace `ns` where the file gives none; `forced` when the user said -n: another one in a file is an error. */
int manifests_load(const struct cli *c, const char *ns, bool forced, struct manifests *out, struct err *err);
void manifests_free(struct manifests *m);
#define auto_manifests __attribute__((cleanup(manifests_free)))

/* "clickhouseinstallation/demo" */
void manifest_title(const struct manifest *m, char *buf, size_t size);

#endif
