/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard of chfleet up: starts plane and operator, starts again whichever dies, and finds those that a former guard
 * left running. Its own death harms neither. TERM and INT end operator, then plane; USR1 ends only the guard.
 */
#ifndef CLI_GUARD_H
#define CLI_GUARD_H

#include "base/err.h"

/* Runs until told to end. The folder is prepared. ERR_REFUSED when another guard has it. */
int guard_run(const char *dir, struct err *err);

#endif
