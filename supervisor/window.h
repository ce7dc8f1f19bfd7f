/* SPDX-License-Identifier: Apache-2.0 */
/* Maintenance windows of spec.chfleet.windows: wall clock, in the window's own time zone. */
#ifndef SUPERVISOR_WINDOW_H
#define SUPERVISOR_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "base/world.h"

/* "30s", "10m", "4h", "1d" in seconds; -1 when it is none of these. */
int64_t window_seconds(const char *text);

/* Seconds to add to UTC at this moment in a zone, from the text of its compiled file (TZif, RFC 8536; the 32-bit block
 * is read, whose rules end in 2037: after that the last one stays). ERR_INPUT when it is no such file. */
int window_offset(const char *tzif, size_t len, int64_t utc_s, int64_t *offset, struct err *err);

/* Is one of the windows open at this moment? An empty or absent list is always open; an unknown zone is closed (unknown
 * never counts as good) and says so in err. Reads the zone's file through the world. */
bool window_open(struct world *w, const cJSON *windows, uint64_t wall_ms, struct err *err);

#endif
