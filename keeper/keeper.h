/* SPDX-License-Identifier: Apache-2.0 */
/* Keeper and ZooKeeper: four-letter words (through world->tcp) and paths (libzookeeper_st on the loop). */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include "base/err.h"
#include "base/world.h"
#include "base/world_real.h"

/* For world_real_set_zk(): connects, does one operation, disconnects; single-threaded, no thread of its own. */
extern const struct world_zk_ops keeper_zk_ops;

struct keeper_state { /* from mntr (srvr where mntr is not allowed) */
    bool serving;
    char role[16]; /* leader follower standalone observer or "" */
    int64_t followers, synced_followers, znodes, zxid;
    char version[48];
};
int keeper_parse_mntr(const char *text, struct keeper_state *out, struct err *err);
int keeper_parse_srvr(const char *text, struct keeper_state *out, struct err *err);

#endif
