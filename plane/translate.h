/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files of a container → what the real programs of this machine need. Pure. */
#ifndef PLANE_TRANSLATE_H
#define PLANE_TRANSLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"
#include "plane/programs.h"

/* What all files of one server say together. */
struct translate_facts {
    char **users;    /* users seen in any file */
    bool *has_quota; /* of each */
    size_t n_users;
    unsigned keepers[16]; /* ports of Keepers on this machine */
    size_t n_keepers;
};
void translate_facts_fini(struct translate_facts *f);

/* One ClickHouse configuration file. Changes: container paths → real ones; listen_host goes (unless keep_listen): the
 * plane's servers listen on loopback; top-level ports of value 0 go (18.16 takes 0 for a port to open, with TLS).
 * Returns true when `out` has a new text, false when the file can be used as it is; text that is no XML is left to the
 * server to complain about. */
bool translate_clickhouse(const char *text, size_t len, const struct path_maps *maps, bool keep_listen,
                          struct translate_facts *facts, struct str *out);

/* users.d file that gives each user without a quota the default one: 18.16 does not start otherwise. Empty when all
 * have one. */
void translate_missing_quotas(const struct translate_facts *f, struct str *out);

/* ---- Keeper ---- */
struct keeper_member {
    unsigned id, port;
    char host[256];
};
struct keeper_conf {
    int server_id;                           /* -1 = not given */
    unsigned tcp_port;                       /* 0 = not given */
    unsigned session_min_ms, session_max_ms; /* 0 = not given */
    struct keeper_member *members;
    size_t n_members;
};
/* Takes what this file says over what is there: call in the order in which Keeper merges. ERR_INPUT when it is no XML.
 */
int keeper_conf_read(struct keeper_conf *k, const char *text, size_t len, struct err *err);
void keeper_conf_fini(struct keeper_conf *k);

/* The zoo.cfg that does the same. election(ctx, raft port) gives each member's second port. ERR_INPUT when a list of
 * several members does not hold this one. */
int translate_zoo_cfg(const struct keeper_conf *k, unsigned client_port, const char *data_dir,
                      unsigned (*election)(void *ctx, unsigned raft_port), void *ctx, struct str *out, struct err *err);

#endif
