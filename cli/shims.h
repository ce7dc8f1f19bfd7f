/* SPDX-License-Identifier: Apache-2.0 */
/* The shims of a plane's folder, by their own socket protocol ("stop MS"): the balancer's, and those a dead plane left. */
#ifndef CLI_SHIMS_H
#define CLI_SHIMS_H

#include "base/err.h"

/* Asks every living shim below `plane_dir` to stop its server (TERM, KILL after grace_ms) and waits until they have ended.
 * Returns how many there were; -1 and ERR_AGAIN when some still live after wait_ms. */
int shims_stop(const char *plane_dir, unsigned grace_ms, unsigned wait_ms, struct err *err);

#endif
