/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real servers for tests: ClickHouse, ZooKeeper and what else a test starts, on loopback ports that were free, in one
 * temporary folder. Each server is a session of its own (18.16's SYSTEM SHUTDOWN signals its process group) and dies
 * with the test (PR_SET_PDEATHSIG). Everything here blocks; it is for tests only. Functions return 0 or -1 with err.
 */
#ifndef TESTS_LIB_SERVERS_H
#define TESTS_LIB_SERVERS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/str.h"

struct servers;

/* Makes the folder. *out is freed by servers_free(), which ends all its servers (by pid) and removes the folder. */
int servers_new(struct servers **out, struct err *err);
void servers_free(struct servers *s); /* NULL is allowed */
const char *servers_dir(const struct servers *s);

/* Are the programs here? A test that needs them says skip() when not. */
bool servers_have_clickhouse(void);
bool servers_have_zookeeper(void);

/* A loopback port that was free a moment ago and was not given out before by this `s`. */
unsigned servers_port(struct servers *s);

struct server {
    char name[32];                   /* "ch1", "zk1" */
    char dir[160];                   /* etc/ data/ log/ below it */
    pid_t pid;                       /* 0 = not running */
    unsigned tcp, http, interserver; /* ClickHouse */
    unsigned client;                 /* ZooKeeper */
};

/* Single-node ZooKeeper; waits until it serves. */
int servers_zookeeper(struct servers *s, struct server **out, struct err *err);
/* Three (n) members on loopback; out[] has n places. Waits until all serve. */
int servers_zookeeper_ensemble(struct servers *s, int n, struct server **out, struct err *err);

struct clickhouse_opts {
    const char *name;           /* display name and replica macro; NULL = "ch<N>" */
    const char *shard;          /* macro; NULL = "01" */
    unsigned zk_port;           /* 0 = no zookeeper section */
    const char *remote_servers; /* inside <remote_servers>…; NULL = none */
    const char *more_macros;    /* "<x>1</x>" or NULL */
    const char *binary;         /* NULL = /usr/sbin/clickhouse-server; with LD_LIBRARY_PATH = its folder */
};
/* Allots ports and writes the configuration, does not start (so that remote_servers can name all ports first). */
int servers_clickhouse(struct servers *s, const struct clickhouse_opts *o, struct server **out, struct err *err);
/* Writes etc/include.xml again (remote_servers, macros); the server looks at it on SYSTEM RELOAD CONFIG. */
int server_include(struct server *c, const struct clickhouse_opts *o, struct err *err);
int server_start(struct server *c, struct err *err);           /* and waits until it answers (ClickHouse: /ping) */
int server_stop(struct server *c, int signo, struct err *err); /* and waits until it is gone; SIGKILL after 30 s */
bool server_runs(struct server *c);                            /* reaps */

/* One statement over HTTP; *out gets the answer's text. -1: err has the server's text. */
int server_query(const struct server *c, struct str *out, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Four-letter word. */
int server_4lw(const struct server *zk, const char *word, struct str *out, struct err *err);

/* A copy of the installed server that calls itself 18.16.9 (for upgrade tests); binary's path to *path (caller frees).
 */
int servers_second_version(struct servers *s, char **path, struct err *err);

#endif
