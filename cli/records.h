/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's journal, read only. */
#ifndef CLI_RECORDS_H
#define CLI_RECORDS_H

#include "cli/api.h"
#include "journal/journal.h"

/* The journal of the operator of this machine. ERR_MISSING with what to do instead when it is elsewhere. */
int records_open(struct fleet_api *a, struct journal_reader **out, struct err *err);

/* "ns/demo", "ns/demo/main/0": the beginning of the keys of what the user named. "" = all. Caller frees. */
char *records_prefix(const struct fleet_api *a, const char *name);
/* Is `object` the thing of this prefix, or below it? ("ns/demo" is not above "ns/demo2".) */
bool records_below(const char *prefix, const char *object);
/* Takes out of an array what is not below the prefix. */
void records_filter(cJSON *rows, const char *prefix);

/* A wall clock in ms as local time; "" for 0. */
void records_clock(int64_t wall_ms, char *buf, size_t size);

#endif
