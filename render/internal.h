/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of render/; nothing outside includes it. */
#ifndef RENDER_INTERNAL_H
#define RENDER_INTERNAL_H

#include "render/render.h"

/* ---- meta.c ---- */
enum scope { SCOPE_CR, SCOPE_CLUSTER, SCOPE_SHARD, SCOPE_HOST };
struct place {
    const struct fleet *f;
    const struct cluster *c;
    const struct shard *s;
    const struct host *h;
};
struct place place_cr(const struct fleet *f);
struct place place_cluster(const struct cluster *c);
struct place place_shard(const struct shard *s);
struct place place_host(const struct host *h);

const char *meta_group(const struct fleet *f);               /* clickhouse.altinity.com */
char *meta_key(const struct fleet *f, const char *name);     /* group/name; caller frees */
cJSON *meta_selector(const struct place *p, bool ready);     /* labels to select by; caller owns */
cJSON *meta_labels(const struct place *p, const char *kind, const char *value); /* all labels of an object; kind may be NULL */
cJSON *meta_annotations(const struct place *p);              /* from the resource; caller owns */
/* apiVersion, kind and metadata with owner reference; labels are taken. */
cJSON *meta_object(const struct place *p, const char *api, const char *kind, const char *name, cJSON *labels, bool owned);
void meta_expand_into(const struct place *p, cJSON *to, const cJSON *from); /* keys and values with macros; replaces */
/* Writes chfleet.io/keys: what of labels and annotations is not the operator's own. */
void meta_note_keys(const struct place *p, cJSON *object);

const cJSON *ctx_live(const struct render_ctx *c, const char *kind, const char *name);
bool ctx_listed(const struct render_ctx *c, const struct host *h);

/* ---- addons and versions (files.c) ---- */
char *version_lowest(const struct fleet *f, const struct render_ctx *c); /* caller frees */
/* Copy of a section (settings, users, profiles, quotas, files) with the operator's additions for the lowest version. */
void section_with_addons(const struct fleet *f, const char *version, const char *section, const struct settings *own,
                         struct settings *out);

/* ---- files ---- */
enum file_place { FILE_COMMON, FILE_USERS, FILE_HOST };
/* Where an entry of a files section goes; -1 nowhere. `below`: it stands below the installation level. */
int file_place(const char *key, bool below);
const char *file_name(const char *key);
char *file_remote_servers(const struct fleet *f, const struct render_ctx *c); /* NULL = nobody is listed */
/* The same with another idea of who is listed; NULL = all. */
char *file_remote_servers_of(const struct fleet *f, const struct render_ctx *c,
                             bool (*listed)(void *ctx, const struct host *h), void *ctx);
char *file_membership(uint64_t generation);
char *file_macros(const struct host *h);
char *file_ports(const struct host *h, const char *version);
char *file_zookeeper(const struct host *h);
char *file_raft(const struct fleet *f, const struct render_ctx *c);
char *file_server_id(const struct host *h);
int file_users(const struct fleet *f, const struct render_ctx *c, char **out, struct err *err);
/* The operator's own files, for one of the three places. */
void defaults_add(const struct fleet *f, enum file_place where, const char *version, cJSON *data);

/* ---- configmaps.c: the common and users files without the lists of hosts and users ---- */
void common_files(const struct fleet *f, const struct render_ctx *c, cJSON *data);
void users_files(const struct fleet *f, const struct render_ctx *c, cJSON *data);

/* ---- filediff.c: what differs between live and rendered files, line by line ---- */
struct file_line {
    char *path, *from, *to; /* for people; secrets are hidden */
    char *rule;             /* path for the restart rules, NULL: no rule applies */
    bool restart;           /* needs one whatever the rules say */
    bool membership;        /* who is in the list: not a matter of settings */
    bool addresses;         /* addresses of pods in the users file */
    bool lets_in;           /* addresses of operators there: servers read them by themselves, and nothing else hangs on it */
};
struct file_lines {
    struct file_line *v;
    size_t n;
};
void file_lines_free(struct file_lines *l);
/* live and desired: `data` of a ConfigMap, NULL = none. `scope` is put before settings paths: "spec.configuration". */
void filediff(const struct fleet *f, const cJSON *live, const cJSON *desired, const char *scope, bool host,
              struct file_lines *out);
bool file_line_restarts(const struct fleet *f, const struct host *h, const struct file_line *l);
/* Does everything that only a restart loads say the same in the live ConfigMaps as in this host ConfigMap and the common
 * files to come? For hosts of another operator, whose ConfigMaps have no digest. */
bool restart_same_as_live(const struct fleet *f, const struct host *h, const struct render_ctx *c, const cJSON *desired);

/* ---- services.c ---- */
int shared_services(const struct fleet *f, cJSON *array, struct err *err);

/* ---- pod.c, affinity.c ---- */
cJSON *pod_template(const struct fleet *f, const struct host *h, const struct render_ctx *c, struct err *err);
void affinity_add(const struct host *h, cJSON *pod_spec);
cJSON *volume_claim(const struct host *h, const struct volume *v); /* as in volumeClaimTemplates */

#endif
