/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of the exporter's own work. */
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
void own_print(struct str *out, const struct own_numbers *n);

#endif
