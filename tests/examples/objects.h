/* SPDX-License-Identifier: Apache-2.0 */
/* Are these objects what an API server takes, and do they fit together? */
#ifndef TESTS_EXAMPLES_OBJECTS_H
#define TESTS_EXAMPLES_OBJECTS_H

#include "base/json.h"

/* `made`: what was rendered; `given`: what else exists. Fails the test with `who` in front of the reason. */
void objects_check(const char *who, const cJSON *made, const cJSON *given);

#endif
