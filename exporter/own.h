/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of the exporter itself: its process, as every Prometheus program shows them, and its work. */
#ifndef EXPORTER_OWN_H
#define EXPORTER_OWN_H

#include <stdint.h>

#include "base/str.h"

struct own_numbers {
    uint64_t scrapes;                      /* looks at all hosts so far */
    uint64_t installations, hosts, failed; /* of the last one */
    uint64_t took_ms;
    bool leading;
};
/* Two pieces, since families are in order of their names: what comes before chi_clickhouse_… and what comes after. */
void own_before(struct str *out, const struct own_numbers *n);
void own_after(struct str *out);

#endif
