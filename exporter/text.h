/* SPDX-License-Identifier: Apache-2.0 */
/* The Prometheus text format, version 0.0.4: names, label values, numbers. */
#ifndef EXPORTER_TEXT_H
#define EXPORTER_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* A raw name as part of a metric's name: each character that may not stand there becomes one '_'. */
void text_metric_name(struct str *out, const char *raw);
/* A raw name as a label's name; never empty, never with a digit or "__" at the beginning (those are Prometheus' own). */
void text_label_name(struct str *out, const char *raw);
/* A label's value between its quotes. Bytes that are no UTF-8 become '?': a parser refuses a whole page for them. */
void text_label_value(struct str *out, const char *value);
/* The shortest text that reads back as the same number; whole numbers without a point. */
void text_number(struct str *out, double v);
/* A number as ClickHouse prints it ("nan", "inf", "1e10"). 0 when it is none. */
double text_read_number(const char *s);

/* Labels of one series, sorted by name, each name once. */
struct label {
    char *name;  /* as in the text format */
    char *value; /* escaped */
};
struct labels {
    struct label *v;
    size_t n;
};
/* Sets one, over an older one of that name. Both raw; copies. */
void labels_put(struct labels *l, const char *name, const char *value);
void labels_free(struct labels *l);
/* a="b",c="d" of both, sorted; where both have a name, `over` wins. */
void labels_print(struct str *out, const struct labels *l, const struct labels *over);

#endif
