/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/custom.h"
