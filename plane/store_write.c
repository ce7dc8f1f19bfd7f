/* SPDX-License-Identifier: Apache-2.0 */
/* Create, update, patch, delete: the rules every object goes through, whoever writes it. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "plane/custom.h"
#include "plane/store_priv.h"
#include "plane/types.h"

#define OBJECT_MAX (3u << 20)

static enum err_kind kind_of_code(int code)
{
    switch (code) {
    case 404:
        return ERR_MISSING;
    case 409:
        return ERR_CONFLICT;
    case 403:
    case 405:
        return ERR_REFUSED;
    case 400:
    case 413:
    case 415:
    case 422:
        return ERR_INPUT;
    default:
        return ERR_AGAIN;
    }
}

int store_fail(struct store *s, int code, const char *reason, struct err *err, const char *fmt, ...)
{
    char text[sizeof err->msg];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    field_errs_free(&s->errs);
    s->why = (struct store_why){.code = code, .reason = reason};
    return err_set(err, kind_of_code(code), code, "%s", text);
}

const struct store_why *store_why(const struct store *s)
{
    return &s->why;
}

const char *store_dropped(const struct store *s)
{
    return str_text(&s->dropped);
}

/* "pods", "statefulsets.apps": how messages name a resource. */
static const char *resource_name(enum plane_kind kind, char *buf, size_t size)
{
    const struct plane_kind_info *info = plane_kind(kind);

    snprintf(buf, size, "%s%s%s", info->plural, *info->group ? "." : "", info->group);
    return buf;
}

static int fail_missing(struct store *s, enum plane_kind kind, const char *name, struct err *err)
{
    char res[160];

    return store_fail(s, 404, "NotFound", err, "%s \"%s\" not found", resource_name(kind, res, sizeof res), name);
}

static int fail_invalid(struct store *s, enum plane_kind kind, const cJSON *obj, struct field_errs *e, struct err *err)
{
    const struct plane_kind_info *info = plane_kind(kind);

    field_errs_free(&s->errs);
    s->errs = *e;
    *e = (struct field_errs)FIELD_ERRS_INIT;
    s->why = (struct store_why){.code = 422, .reason = "Invalid", .causes = s->errs.causes};
    return err_set(err, ERR_INPUT, 422, "%s%s%s \"%s\" is invalid: %s%s%s", info->kind, *info->group ? "." : "",
                   info->group, json_name(obj), s->errs.n > 1 ? "[" : "", str_text(&s->errs.text),
                   s->errs.n > 1 ? "]" : "");
}

static int check_disk(struct store *s, struct err *err)
{
    if (!s->disk_failed)
        return 0;
    return store_fail(s, 503, "ServiceUnavailable", err,
                      "the object store cannot be written (see the log of chfleet-plane: the disk may be "
                      "full); it is tried again every second");
}

bool is_deleting(const cJSON *obj)
{
    return json_at(obj, "metadata.deletionTimestamp") != NULL;
}

/* ---- what every object goes through ---- */

static int report_dropped(struct store *s, unsigned flags, struct err *err)
{
    auto_str struct str list = STR_INIT;
    int n = 0;

    if (!(flags & STORE_STRICT) || s->dropped.len == 0)
        return 0;
    for (const char *p = str_text(&s->dropped); *p && n < 10; p += strcspn(p, "\n"), p += *p == '\n')
        str_addf(&list, "%sunknown field \"%.*s\"", n++ ? ", " : "", (int)strcspn(p, "\n"), p);
    return store_fail(s, 400, "BadRequest", err, "strict decoding error: %s", str_text(&list));
}

/* Unknown fields go, types are checked, the normal form is made. */
static int normalize(struct store *s, enum plane_kind kind, cJSON *obj, unsigned flags, struct err *err)
{
    struct type_report r = {STR_INIT, STR_INIT};
    char version[128];
    int rc = 0;

    str_reset(&s->dropped);
    json_set_str(obj, "apiVersion", plane_kind_api_version(kind, version, sizeof version));
    json_set_str(obj, "kind", plane_kind(kind)->kind);
    if (plane_kind(kind)->flags & PKF_CUSTOM) {
        type_normalize(json_get(obj, "metadata"), "ObjectMeta", &r);
        custom_prune(obj, &r.unknown);
    } else {
        type_normalize(obj, type_of_kind(kind), &r);
    }
    str_add(&s->dropped, str_text(&r.unknown));
    if (r.wrong.len)
        rc = store_fail(s, 400, "BadRequest", err, "%s in version \"%s\" cannot be handled as a %s: %s",
                        plane_kind(kind)->kind, version, plane_kind(kind)->kind, str_text(&r.wrong));
    type_report_free(&r);
    return rc < 0 ? -1 : report_dropped(s, flags, err);
}

static int validate(struct store *s, enum plane_kind kind, const cJSON *obj, const cJSON *old, unsigned flags,
                    struct err *err)
{
    struct field_errs e = FIELD_ERRS_INIT;

    rules_validate(kind, obj, old, flags & STORE_SYSTEM, &e);
    if ((plane_kind(kind)->flags & PKF_CUSTOM) && !(flags & (STORE_STATUS | STORE_FROM_GC)) && !is_deleting(obj))
        custom_validate(obj, &e);
    if (e.n)
        return fail_invalid(s, kind, obj, &e, err);
    return 0;
}

static int check_size(struct store *s, const cJSON *obj, struct err *err)
{
    auto_free char *text = json_print(obj);

    if (strlen(text) <= OBJECT_MAX)
        return 0;
    return store_fail(s, 413, "RequestEntityTooLarge", err, "the object has %zu bytes, the limit is %u", strlen(text),
                      OBJECT_MAX);
}

static void drop_empty_meta(cJSON *obj)
{
    static const char *const lists[] = {"labels", "annotations", "finalizers", "ownerReferences"};
    cJSON *meta = json_get(obj, "metadata");

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const cJSON *j = json_get(meta, lists[i]);

        if (j && !j->child)
            cJSON_DeleteItemFromObjectCaseSensitive(meta, lists[i]);
    }
    cJSON_DeleteItemFromObjectCaseSensitive(meta, "managedFields");
    cJSON_DeleteItemFromObjectCaseSensitive(meta, "selfLink");
}

/* ---- create ---- */

static void new_uid(struct store *s, cJSON *meta)
{
    uint64_t a = s->w->ops->random(s->w), b = s->w->ops->random(s->w);
    char text[40];

    snprintf(text, sizeof text, "%08x-%04x-4%03x-%04x-%012" PRIx64, (unsigned)(a >> 32), (unsigned)(a >> 16) & 0xffff,
             (unsigned)a & 0xfff, (unsigned)(b >> 48 & 0x3fff) | 0x8000, b & 0xffffffffffff);
    json_set_str(meta, "uid", text);
}

static void generate_name(struct store *s, enum plane_kind kind, cJSON *meta)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    const char *base = json_str(meta, "generateName", "");
    char name[260];

    do {
        uint64_t r = s->w->ops->random(s->w);
        char tail[6] = "";

        for (int i = 0; i < 5; i++, r /= 27)
            tail[i] = alphabet[r % 27];
        snprintf(name, sizeof name, "%.*s%s", (kind == PK_SVC || kind == PK_NS) ? 58 : 248, base, tail);
    } while (store_find(s, kind, json_str(meta, "namespace", ""), name));
    json_set_str(meta, "name", name);
}

static int check_namespace(struct store *s, enum plane_kind kind, const cJSON *obj, struct err *err)
{
    const char *ns = json_ns(obj);
    const cJSON *have;
    char res[160];

    if (!plane_kind_namespaced(kind))
        return 0;
    have = store_get(s, PK_NS, NULL, ns);
    if (!*ns)
        return store_fail(s, 422, "Invalid", err, "%s \"%s\": an empty namespace may not be set during creation",
                          plane_kind(kind)->kind, json_name(obj));
    if (!have) {
        fail_missing(s, PK_NS, ns, err);
        s->why.kind = plane_kind(PK_NS)->plural;
        return -1;
    }
    if (is_deleting(have))
        return store_fail(s, 403, "Forbidden", err,
                          "%s \"%s\" is forbidden: unable to create new content in namespace %s because it is "
                          "being terminated",
                          resource_name(kind, res, sizeof res), json_name(obj), ns);
    return 0;
}

static void begin_meta(struct store *s, enum plane_kind kind, cJSON *obj)
{
    static const char *const ours[] = {
        "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "generation", "deletionGracePeriodSeconds"};
    cJSON *meta = json_need_obj(obj, "metadata");
    char now[32];

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        cJSON_DeleteItemFromObjectCaseSensitive(meta, ours[i]);
    if (!plane_kind_namespaced(kind))
        cJSON_DeleteItemFromObjectCaseSensitive(meta, "namespace");
    if (!json_get(meta, "name") && *json_str(meta, "generateName", ""))
        generate_name(s, kind, meta);
    new_uid(s, meta);
    json_set_str(meta, "creationTimestamp", store_now(s, now));
    if (plane_kind(kind)->flags & PKF_GENERATION)
        json_set_int(meta, "generation", 1);
}

static void begin_status(enum plane_kind kind, cJSON *obj, unsigned flags)
{
    cJSON *first;

    if (!(plane_kind(kind)->flags & PKF_STATUS))
        return;
    if ((flags & STORE_SYSTEM) && json_get(obj, "status"))
        return;
    if (kind == PK_NODE)
        return;
    cJSON_DeleteItemFromObjectCaseSensitive(obj, "status");
    first = rules_first_status(kind, obj);
    if (first)
        json_set(obj, "status", first);
}

static const cJSON *answer_dry(struct store *s, enum plane_kind kind, cJSON *takes)
{
    object_unref(s, s->dry);
    s->dry = mem_zero(sizeof *s->dry);
    s->dry->refs = 1;
    s->dry->kind = kind;
    s->dry->json = takes;
    return takes;
}

/* A claim that names no class gets the default one when it is made, as clusters do it. */
static void add_default_class(struct store *s, cJSON *claim)
{
    cJSON *spec = json_get(claim, "spec");
    struct kind_store *classes = &s->kinds[PK_STORAGECLASS];

    if (!spec || json_get(spec, "storageClassName"))
        return;
    for (size_t i = 0; i < classes->n; i++) {
        const char *is = json_annotation(classes->v[i]->json, "storageclass.kubernetes.io/is-default-class");

        if (!str_eq(is, "true"))
            continue;
        json_set_str(spec, "storageClassName", json_name(classes->v[i]->json));
        return;
    }
}

/* The account that pods of a namespace run as when they name none. */
static void add_default_account(struct store *s, const char *ns)
{
    if (!store_find(s, PK_SA, ns, "default"))
        store_create(s, PK_SA, store_new_object(PK_SA, ns, "default"), STORE_SYSTEM, NULL, NULL);
}

static int prepare_create(struct store *s, enum plane_kind kind, cJSON *obj, unsigned flags, struct err *err)
{
    char res[160];

    if (check_disk(s, err) < 0)
        return -1;
    if (!cJSON_IsObject(obj))
        return store_fail(s, 400, "BadRequest", err, "the body is not an object");
    if (normalize(s, kind, obj, flags, err) < 0)
        return -1;
    begin_meta(s, kind, obj);
    if (check_namespace(s, kind, obj, err) < 0)
        return -1;
    begin_status(kind, obj, flags);
    rules_defaults(kind, obj);
    if (kind == PK_PVC)
        add_default_class(s, obj);
    drop_empty_meta(obj);
    begin_status(kind, obj, flags); /* again: qosClass depends on defaults */
    if (validate(s, kind, obj, NULL, flags, err) < 0 || check_size(s, obj, err) < 0)
        return -1;
    if (store_find(s, kind, json_ns(obj), json_name(obj)))
        return store_fail(s, 409, "AlreadyExists", err, "%s \"%s\" already exists",
                          resource_name(kind, res, sizeof res), json_name(obj));
    return 0;
}

int store_create(struct store *s, enum plane_kind kind, cJSON *obj, unsigned flags, const cJSON **out, struct err *err)
{
    const cJSON *stored = obj;

    if (prepare_create(s, kind, obj, flags, err) < 0) {
        cJSON_Delete(obj);
        return -1;
    }
    if (flags & STORE_DRY_RUN) {
        stored = answer_dry(s, kind, obj);
    } else {
        store_put(s, kind, obj, NULL);
        gc_look_at(s, obj);
        if (kind == PK_NS)
            add_default_account(s, json_name(obj));
    }
    if (out)
        *out = stored;
    return 0;
}

/* ---- update ---- */

static int check_preconditions(struct store *s, enum plane_kind kind, const cJSON *old, const char *uid, const char *rv,
                               struct err *err)
{
    char res[160];

    resource_name(kind, res, sizeof res);
    if (uid && *uid && strcmp(uid, json_uid(old)) != 0)
        return store_fail(s, 409, "Conflict", err,
                          "Operation cannot be fulfilled on %s \"%s\": Precondition failed: UID in precondition: "
                          "%s, UID in object meta: %s",
                          res, json_name(old), uid, json_uid(old));
    if (rv && *rv && strcmp(rv, "0") != 0 && strcmp(rv, json_rv(old)) != 0)
        return store_fail(s, 409, "Conflict", err,
                          "Operation cannot be fulfilled on %s \"%s\": the object has been modified; please apply "
                          "your changes to the latest version and try again",
                          res, json_name(old));
    return 0;
}

/* What the server keeps of the old metadata, whatever the client sent. */
static void keep_meta(cJSON *obj, const cJSON *old)
{
    static const char *const ours[] = {"name",
                                       "generateName",
                                       "namespace",
                                       "uid",
                                       "resourceVersion",
                                       "generation",
                                       "creationTimestamp",
                                       "deletionTimestamp",
                                       "deletionGracePeriodSeconds"};
    cJSON *meta = json_need_obj(obj, "metadata");
    const cJSON *was = json_get(old, "metadata");

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        cJSON_DeleteItemFromObjectCaseSensitive(meta, ours[i]);
        if (json_get(was, ours[i]))
            json_set(meta, ours[i], json_copy(json_get(was, ours[i])));
    }
}

static bool same_but_meta_and_status(const cJSON *a, const cJSON *b)
{
    const cJSON *j;
    int n = 0, m = 0;

    cJSON_ArrayForEach(j, a) {
        if (strcmp(j->string, "metadata") == 0 || strcmp(j->string, "status") == 0)
            continue;
        n++;
        if (!json_same(j, json_get(b, j->string)))
            return false;
    }
    cJSON_ArrayForEach(j, b)
        m += strcmp(j->string, "metadata") != 0 && strcmp(j->string, "status") != 0;
    return n == m;
}

static void bump_generation(cJSON *obj)
{
    cJSON *meta = json_get(obj, "metadata");

    json_set_int(meta, "generation", json_int(meta, "generation", 0) + 1);
}

static int check_finalizers(struct store *s, enum plane_kind kind, const cJSON *obj, const cJSON *old, struct err *err)
{
    struct field_errs e = FIELD_ERRS_INIT;
    const cJSON *f;

    if (!is_deleting(old))
        return 0;
    cJSON_ArrayForEach(f, json_at(obj, "metadata.finalizers"))
        if (cJSON_IsString(f) && !json_has(json_at(old, "metadata.finalizers"), f->valuestring))
            field_err(&e, "Forbidden", "metadata.finalizers",
                      "no new finalizers can be added if the object is being deleted, found new "
                      "finalizer \"%s\"",
                      f->valuestring);
    return e.n ? fail_invalid(s, kind, obj, &e, err) : 0;
}

/* An object on its way out goes for good when nothing holds it any more. */
void store_finish_if_released(struct store *s, enum plane_kind kind, struct object *o)
{
    if (!is_deleting(o->json) || cJSON_GetArraySize(json_at(o->json, "metadata.finalizers")) > 0)
        return;
    if ((plane_kind(kind)->flags & PKF_GRACE) && json_int(o->json, "metadata.deletionGracePeriodSeconds", 0) > 0)
        return; /* the node ends it */
    if (kind == PK_NS)
        return; /* its content goes first: gc.c */
    store_remove(s, o);
}

static cJSON *with_status_only(cJSON *obj, const cJSON *old)
{
    cJSON *now = json_copy(old), *status = cJSON_DetachItemFromObjectCaseSensitive(obj, "status");

    cJSON_DeleteItemFromObjectCaseSensitive(now, "status");
    if (status && !cJSON_IsNull(status))
        json_set(now, "status", status);
    else
        cJSON_Delete(status);
    cJSON_Delete(obj);
    return now;
}

static void with_old_status(cJSON *obj, const cJSON *old)
{
    cJSON_DeleteItemFromObjectCaseSensitive(obj, "status");
    if (json_get(old, "status"))
        json_set(obj, "status", json_copy(json_get(old, "status")));
}

/* A claim grows only where its class says that it may; a class that is a mere name is one of the plane's. */
static int check_expansion(struct store *s, const cJSON *obj, const cJSON *old, struct err *err)
{
    const char *klass = json_str(old, "spec.storageClassName", "");
    const cJSON *have = store_get(s, PK_STORAGECLASS, NULL, klass);

    if (!have || json_bool(have, "allowVolumeExpansion", false) ||
        json_same(json_at(obj, "spec.resources.requests.storage"), json_at(old, "spec.resources.requests.storage")))
        return 0;
    return store_fail(s, 403, "Forbidden", err,
                      "persistentvolumeclaims \"%s\" is forbidden: only dynamically provisioned pvc can be resized and "
                      "the storageclass that provisions the pvc must support resize: %s does not",
                      json_name(obj), klass);
}

/* Everything up to the change itself; *obj may be replaced. */
static int prepare_update(struct store *s, enum plane_kind kind, cJSON **obj, const cJSON *old, unsigned flags,
                          struct err *err)
{
    const char *uid = json_uid(*obj), *rv = json_rv(*obj);

    if (check_preconditions(s, kind, old, uid, rv, err) < 0)
        return -1;
    if (flags & STORE_STATUS)
        *obj = with_status_only(*obj, old);
    if (normalize(s, kind, *obj, flags, err) < 0)
        return -1;
    if (!(flags & STORE_STATUS) && (plane_kind(kind)->flags & PKF_STATUS))
        with_old_status(*obj, old);
    keep_meta(*obj, old);
    drop_empty_meta(*obj);
    rules_carry_over(kind, *obj, old);
    rules_defaults(kind, *obj);
    if (check_finalizers(s, kind, *obj, old, err) < 0 || validate(s, kind, *obj, old, flags, err) < 0 ||
        check_size(s, *obj, err) < 0)
        return -1;
    if (kind == PK_PVC && !(flags & STORE_STATUS) && check_expansion(s, *obj, old, err) < 0)
        return -1;
    if ((plane_kind(kind)->flags & PKF_GENERATION) && !same_but_meta_and_status(*obj, old))
        bump_generation(*obj);
    return 0;
}

static const cJSON *put_update(struct store *s, enum plane_kind kind, cJSON *obj, struct object *o)
{
    struct object *now;

    store_put(s, kind, obj, o);
    now = store_find(s, kind, json_ns(obj), json_name(obj));
    gc_look_at(s, obj);
    store_finish_if_released(s, kind, now);
    return obj; /* the log keeps it until the round is over */
}

int store_update(struct store *s, enum plane_kind kind, cJSON *obj, unsigned flags, const cJSON **out, struct err *err)
{
    struct object *o = store_find(s, kind, json_ns(obj), json_name(obj));
    const cJSON *stored;

    if (!o || check_disk(s, err) < 0 || prepare_update(s, kind, &obj, o->json, flags, err) < 0) {
        if (!o)
            fail_missing(s, kind, json_name(obj), err);
        cJSON_Delete(obj);
        return -1;
    }
    if (json_same(obj, o->json)) {
        cJSON_Delete(obj);
        stored = o->json;
    } else if (flags & STORE_DRY_RUN) {
        stored = answer_dry(s, kind, obj);
    } else {
        stored = put_update(s, kind, obj, o);
    }
    if (out)
        *out = stored;
    return 0;
}

int store_patch(struct store *s, enum plane_kind kind, const char *ns, const char *name, const cJSON *patch,
                unsigned flags, const cJSON **out, struct err *err)
{
    const cJSON *old = store_get(s, kind, ns, name);
    cJSON *obj = json_copy(old);

    if (!old)
        return fail_missing(s, kind, name, err);
    json_merge_patch(&obj, patch);
    if (!cJSON_IsObject(obj)) {
        cJSON_Delete(obj);
        return store_fail(s, 400, "BadRequest", err, "the patch is not an object");
    }
    json_set_str(json_need_obj(obj, "metadata"), "name", name);
    if (plane_kind_namespaced(kind))
        json_set_str(json_get(obj, "metadata"), "namespace", ns);
    return store_update(s, kind, obj, flags, out, err);
}

/* ---- delete ---- */

static void mark_deleting(struct store *s, cJSON *obj, int64_t grace_s)
{
    cJSON *meta = json_get(obj, "metadata");
    time_t t = (time_t)(world_wall(s->w) / 1000) + (time_t)grace_s;
    struct tm tm;
    char text[32];

    gmtime_r(&t, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    json_set_str(meta, "deletionTimestamp", text);
    json_set_int(meta, "deletionGracePeriodSeconds", grace_s);
    if (json_get(meta, "generation"))
        bump_generation(obj);
}

/* How long the node may take to end a pod; 0 = it can go at once. */
static int64_t grace_of(enum plane_kind kind, const cJSON *obj, const struct store_delete *d)
{
    const char *phase = json_str(obj, "status.phase", "");

    if (!(plane_kind(kind)->flags & PKF_GRACE) || !*json_str(obj, "spec.nodeName", ""))
        return 0;
    if (strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0)
        return 0;
    return d && d->grace_s >= 0 ? d->grace_s : json_int(obj, "spec.terminationGracePeriodSeconds", 30);
}

static void want_finalizer(cJSON *obj, const char *propagation)
{
    const char *name = str_eq(propagation, "Orphan")       ? "orphan"
                       : str_eq(propagation, "Foreground") ? "foregroundDeletion"
                                                           : NULL;
    cJSON *meta = json_get(obj, "metadata"), *list = json_get(meta, "finalizers");

    if (!name || json_has(list, name))
        return;
    if (!list)
        list = json_set_arr(meta, "finalizers");
    json_add_str(list, name);
}

static int delete_allowed(struct store *s, enum plane_kind kind, const cJSON *old, const struct store_delete *d,
                          struct err *err)
{
    const char *p = d ? d->propagation : NULL;

    if (check_disk(s, err) < 0 || (d && check_preconditions(s, kind, old, d->uid, d->rv, err) < 0))
        return -1;
    if (p && *p && strcmp(p, "Orphan") != 0 && strcmp(p, "Background") != 0 && strcmp(p, "Foreground") != 0)
        return store_fail(s, 422, "Invalid", err,
                          "DeleteOptions: propagationPolicy \"%s\": supported values: Foreground, Background, Orphan",
                          p);
    if (kind == PK_NS && (strcmp(json_name(old), "default") == 0 || strcmp(json_name(old), "kube-system") == 0))
        return store_fail(s, 403, "Forbidden", err, "namespaces \"%s\" is forbidden: this namespace may not be deleted",
                          json_name(old));
    return 0;
}

/* The object as it is after the request to delete it; NULL when it can go at once. Caller owns. */
static cJSON *deleting_form(struct store *s, enum plane_kind kind, const cJSON *old, const struct store_delete *d)
{
    int64_t grace = grace_of(kind, old, d);
    cJSON *now = json_copy(old);

    want_finalizer(now, d ? d->propagation : NULL);
    if (grace == 0 && kind != PK_NS && cJSON_GetArraySize(json_at(now, "metadata.finalizers")) == 0) {
        cJSON_Delete(now);
        return NULL;
    }
    if (!is_deleting(old) || grace < json_int(old, "metadata.deletionGracePeriodSeconds", 0))
        mark_deleting(s, now, grace);
    if (kind == PK_NS)
        json_set_str(json_need_obj(now, "status"), "phase", "Terminating");
    return now;
}

int store_delete(struct store *s, enum plane_kind kind, const char *ns, const char *name, const struct store_delete *d,
                 const cJSON **out, bool *gone, struct err *err)
{
    struct object *o = store_find(s, kind, ns, name);
    const cJSON *last;
    cJSON *now;

    if (!o)
        return fail_missing(s, kind, name, err);
    if (delete_allowed(s, kind, o->json, d, err) < 0)
        return -1;
    now = deleting_form(s, kind, o->json, d);
    if (gone)
        *gone = !now;
    last = o->json;
    if (d && (d->flags & STORE_DRY_RUN)) {
        cJSON_Delete(now);
    } else if (!now) {
        store_remove(s, o);
    } else if (json_same(now, o->json)) {
        cJSON_Delete(now);
    } else {
        last = put_update(s, kind, now, o);
    }
    if (out)
        *out = last;
    return 0;
}

/* ---- helpers ---- */

cJSON *store_new_object(enum plane_kind kind, const char *ns, const char *name)
{
    cJSON *obj = cJSON_CreateObject(), *meta;
    char version[128];

    json_set_str(obj, "apiVersion", plane_kind_api_version(kind, version, sizeof version));
    json_set_str(obj, "kind", plane_kind(kind)->kind);
    meta = json_set_obj(obj, "metadata");
    json_set_str(meta, "name", name);
    if (plane_kind_namespaced(kind))
        json_set_str(meta, "namespace", ns);
    return obj;
}

void store_set_controller(cJSON *obj, const cJSON *owner)
{
    cJSON *meta = json_need_obj(obj, "metadata"), *list = json_get(meta, "ownerReferences"),
          *ref = cJSON_CreateObject();

    if (!list)
        list = json_set_arr(meta, "ownerReferences");
    json_set_str(ref, "apiVersion", json_str(owner, "apiVersion", ""));
    json_set_str(ref, "kind", json_str(owner, "kind", ""));
    json_set_str(ref, "name", json_name(owner));
    json_set_str(ref, "uid", json_uid(owner));
    json_set_bool(ref, "controller", true);
    json_set_bool(ref, "blockOwnerDeletion", true);
    cJSON_AddItemToArray(list, ref);
}

const cJSON *store_controller_of(const cJSON *obj)
{
    const cJSON *ref;

    cJSON_ArrayForEach(ref, json_at(obj, "metadata.ownerReferences"))
        if (json_bool(ref, "controller", false))
            return ref;
    return NULL;
}
