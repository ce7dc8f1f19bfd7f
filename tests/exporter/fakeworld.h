/* SPDX-License-Identifier: Apache-2.0 */
/* A world with a clock of its own and ClickHouse hosts that do what a test says: seconds pass at once. */
#ifndef TESTS_EXPORTER_FAKEWORLD_H
#define TESTS_EXPORTER_FAKEWORLD_H

#include "base/world.h"

/* What a host does with a statement: appends the answer's body and returns its delay in ms; FAKE_DEAD: no connection ever;
 * FAKE_HANGS: connects and says nothing; FAKE_GONE: refused at once. *status may be changed from 200. */
enum { FAKE_DEAD = -1, FAKE_HANGS = -2, FAKE_GONE = -3 };
typedef int fake_host_fn(void *ctx, const char *host, const char *statement, struct str *body, int *status);

struct fakeworld;
struct fakeworld *fake_new(fake_host_fn *host, void *ctx);
void fake_free(struct fakeworld *f); /* fails when something is still under way */
struct world *fake_world(struct fakeworld *f);
void fake_run(struct fakeworld *f, const bool *flag); /* until it is set; fails when nothing happens any more */
unsigned fake_requests(const struct fakeworld *f);
unsigned fake_most_open(const struct fakeworld *f); /* requests at the same time */

#endif
