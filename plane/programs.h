/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs: which program of this machine stands for which image, and how a container of it is run. programs.yaml is a
 * list of entries; the first whose image pattern fits counts, the user's file before the one that comes with chfleet.
 *
 * There are no mount namespaces: what a container would see at a path lies in a directory of its own, and every mention
 * of the path (command, arguments, environment, ClickHouse and Keeper configuration) is translated to it.
 */
#ifndef PLANE_PROGRAMS_H
#define PLANE_PROGRAMS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "plane/shim.h"

enum program_kind { PROGRAM_CLICKHOUSE, PROGRAM_KEEPER, PROGRAM_COMMAND };

struct program {
    enum program_kind kind;
    char **images;      /* patterns with '*'; NULL-terminated, like the other lists */
    char **binaries;    /* the first that is there is used: absolute paths, or names looked up in PATH; a .jar is
                           ZooKeeper's */
    char *library_path; /* for LD_LIBRARY_PATH; NULL */
    char **args, **java_args;
    cJSON *env, *profile, *settings; /* objects; NULL */
    bool listen_as_configured;       /* listen: files; else only 127.0.0.1 */
    char *where;                     /* "FILE:LINE" of the entry, for messages */
};

struct programs {
    struct program *v;
    size_t n;
};

/* Adds the entries of one file's text behind those there. ERR_INPUT names file, line and field. */
int programs_parse(struct programs *p, const char *file, const char *text, size_t len, struct err *err);
/* user_file (may be NULL or absent), then the shipped list: PKGDATADIR/programs.yaml, else the one beside the sources
 * that the build put into the program. */
int programs_load(const char *user_file, struct programs **out, struct err *err);
void programs_free(struct programs *p); /* NULL-safe */
/* NULL when no entry fits. "docker.io/" in front of an image is not looked at. */
const struct program *programs_find(const struct programs *p, const char *image);
/* The program's executable on this machine, absolute; caller frees. ERR_MISSING says what was looked for and what to
 * add. */
char *program_binary(const struct program *p, struct err *err);
/* What the pod's status says when there is no entry. */
void programs_missing_text(const char *image, struct str *out);

/* ---- one container ---- */

struct path_map {
    char *from; /* as in the container, without '/' at the end */
    char *to;   /* on this machine */
};
struct path_maps {
    struct path_map *v; /* longest `from` first */
    size_t n;
};
void path_maps_add(struct path_maps *m, const char *from, const char *to); /* one there already stays */
void path_maps_fini(struct path_maps *m);
/* The directory for exactly this container path, or NULL. Borrowed. */
const char *path_maps_at(const struct path_maps *m, const char *from);
/* Where a container path lies on this machine; a path under no mount is returned as it is. Caller frees. */
char *path_maps_to(const struct path_maps *m, const char *path);
/* Text with every container path in it translated. A path ends where no file name character follows. Caller frees. */
char *path_maps_text(const struct path_maps *m, const char *text);

struct container_run {
    const cJSON *pod, *container;
    const char *dir;       /* the container's directory (absolute) */
    struct path_maps maps; /* the mounts; the program adds its own */
    char **env;            /* "NAME=value" as the pod asks, resolved; NULL-terminated */
    /* A port of 127.0.0.1 kept under this name for ever (ZooKeeper's election ports); 0 = none left. */
    unsigned (*port)(void *ctx, const char *name);
    void *port_ctx;
};

/* What the node agent has to know about a prepared container. */
struct container_plan {
    char *binary;            /* absolute path of what really runs */
    unsigned zookeeper_port; /* not 0: Keeper's HTTP readiness is asked of ZooKeeper at this port, by four letters */
    bool keeper_http_ready;  /* Keeper's /ready probe is asked by four letters at zk_port, though it is a real Keeper */
    unsigned zk_port;
    bool restart_on_change; /* a change of the generated files is loaded by a restart only (ZooKeeper's members) */
    char *error_log; /* where the server says why it ended; NULL: only its stdout and stderr */
    char *digest;           /* of what a restart would load, when restart_on_change */
};
void container_plan_fini(struct container_plan *p);

/* Writes the container's generated files and fills in what to run. May be called again at any time (mounts changed, new
 * plane): files that do not change are not touched; a changed one gets a modification time at least a second later than
 * before, since ClickHouse compares whole seconds. */
int container_prepare(const struct program *p, struct container_run *r, struct shim_spec *spec,
                      struct container_plan *plan, struct err *err);

/* ---- shared by the kinds (programs_*.c) ---- */
int program_clickhouse_prepare(const struct program *p, struct container_run *r, const char *binary,
                               struct shim_spec *spec, struct container_plan *plan, struct err *err);
int program_keeper_prepare(const struct program *p, struct container_run *r, const char *binary, struct shim_spec *spec,
                           struct container_plan *plan, struct err *err);
/* containerPort of this name, or dflt. */
unsigned container_port(const cJSON *container, const char *name, unsigned dflt);
/* As shim_write(), but leaves an equal file alone and steps the modification time by whole seconds. *changed may be
 * NULL. */
int program_write(const char *dir, const char *name, const char *text, size_t len, unsigned mode, bool *changed,
                  struct err *err);
int program_mkdirs(const char *path, struct err *err);
/* Whole seconds: now, or one more than `before` when that is not later. */
void program_touch(int dir, const char *name, long before);

#endif
