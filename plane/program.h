/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PLANE_PROGRAM_H
#define PLANE_PROGRAM_H

#include "base/program.h"

extern const struct program plane_program;

#endif
