/* SPDX-License-Identifier: Apache-2.0 */
/* HOST:PORT of what a program of ours listens on. */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <stddef.h>

#include "base/err.h"

/* "127.0.0.1:8080", ":8080" (all addresses), "[::1]:0". `what` names the option in messages. */
int addr_split(const char *address, const char *what, char *host, size_t size, unsigned short *port, struct err *err);
/* Writes HOST:PORT of a listening socket to `file`, whole or not at all. Blocks as a local disk does. */
int addr_write(int fd, const char *host, const char *file, struct err *err);

#endif
