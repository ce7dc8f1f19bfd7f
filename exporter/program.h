/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EXPORTER_PROGRAM_H
#define EXPORTER_PROGRAM_H

#include "base/program.h"

extern const struct program exporter_program;

#endif
