/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUPERVISOR_PROGRAM_H
#define SUPERVISOR_PROGRAM_H

#include "base/program.h"

extern const struct program chfleetd_program;

#endif
