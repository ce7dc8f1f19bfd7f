/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a tar archive (ustar): enough for a dump of texts. */
#ifndef CLI_TAR_H
#define CLI_TAR_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Adds a regular file of mode 0600. The name (at most 255 bytes with a '/' at a fit place) is relative. */
void tar_add(FILE *f, const char *name, const char *data, size_t len, uint64_t mtime_s);
void tar_end(FILE *f);

#endif
