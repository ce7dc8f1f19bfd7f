/* SPDX-License-Identifier: Apache-2.0 */
/* Takes secrets out of objects before they are shown or packed. Pure. */
#ifndef CLI_REDACT_H
#define CLI_REDACT_H

#include "base/json.h"

#define REDACTED "***"

/* In place: values of Secrets, values of settings and fields whose name says password, secret, token or key, the note of
 * the last apply, and the same in generated XML and JSON texts of ConfigMaps. References to secrets (names, keys) stay. */
void redact_object(cJSON *obj);
/* Values of elements whose name is a secret's, in XML text. Caller frees. */
char *redact_xml(const char *text);

#endif
