/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PLANE_CTL_VOLUMES_H
#define PLANE_CTL_VOLUMES_H

#include "plane/ctl.h"

/* Directories below the plane's data directory; their ctx is the struct plane. */
const struct volume_ops *ctl_volumes(void);

#endif
