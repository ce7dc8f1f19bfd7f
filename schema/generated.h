/* SPDX-License-Identifier: Apache-2.0 */
/* The committed files that are made from the field table: schema-gen writes them, a test compares them. */
#ifndef SCHEMA_GENERATED_H
#define SCHEMA_GENERATED_H

#include <stddef.h>

#include "base/str.h"

size_t schema_generated_files(void);
char *schema_generated_name(size_t i); /* below the top folder; caller frees */
void schema_generated_text(size_t i, struct str *out);

#endif
