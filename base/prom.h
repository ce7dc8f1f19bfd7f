/* SPDX-License-Identifier: Apache-2.0 */
/* The Prometheus text format, version 0.0.4: names, label values, numbers. */
#ifndef BASE_PROM_H
#define BASE_PROM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "base/str.h"

/* A raw name as part of a metric's name: each character that may not stand there becomes one '_'. */
void prom_metric_name(struct str *out, const char *raw);
/* A raw name as a label's name; never empty, never with a digit or "__" at the beginning (those are Prometheus' own). */
void prom_label_name(struct str *out, const char *raw);
/* A label's value between its quotes. Bytes that are no UTF-8 become '?': a parser refuses a whole page for them. */
void prom_label_value(struct str *out, const char *value);
/* The shortest text that reads back as the same number; whole numbers without a point. */
void prom_number(struct str *out, double v);
/* A number as ClickHouse prints it ("nan", "inf", "1e10"). 0 when it is none. */
double prom_read_number(const char *s);

/* Labels of one series, sorted by name, each name once. */
struct prom_label {
    char *name;  /* as in the text format */
    char *value; /* escaped */
};
struct prom_labels {
    struct prom_label *v;
    size_t n;
};
/* Sets one, over an older one of that name. Both raw; copies. */
void prom_labels_put(struct prom_labels *l, const char *name, const char *value);
void prom_labels_free(struct prom_labels *l);
/* a="b",c="d" of both, sorted; where both have a name, `over` wins. */
void prom_labels_print(struct str *out, const struct prom_labels *l, const struct prom_labels *over);

/* What of a resource's labels or annotations may be shown: texts, without the applied manifest, which may hold passwords, and
 * without our own marks, which change while we work and would begin every series anew. Caller owns. */
cJSON *prom_texts(const cJSON *from);
/* These as labels; `exclude` (array of names as they are in the resource) may be NULL. */
void prom_labels_put_texts(struct prom_labels *l, const cJSON *texts, const cJSON *exclude);

/* HELP, TYPE and one number without labels. */
void prom_family(struct str *out, const char *name, const char *type, const char *help);
void prom_single(struct str *out, const char *name, const char *type, const char *help, double v);
/* process_…: time, memory, files of this process. Blocks as reading /proc does. */
void prom_process(struct str *out);

#endif
