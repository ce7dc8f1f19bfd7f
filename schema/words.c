/* SPDX-License-Identifier: Apache-2.0 */
#include "schema/words.h"

#include <inttypes.h>
#include <string.h>

#include "schema/fields_internal.h"

static const struct {
    const char *title, *text;
} frees[] = {
    [FREE_META] = {"ObjectMeta",
                   "Kubernetes' own ObjectMeta. Only labels and annotations are read; macros in them are expanded."},
    [FREE_POD_SPEC] = {"PodSpec",
                       "Kubernetes' own PodSpec, see `kubectl explain pod.spec`. It goes into the pods as it is; "
                       "chfleet adds ports, probes, mounts and variables of the server where they are missing."},
    [FREE_PVC_SPEC] = {"PersistentVolumeClaimSpec",
                       "Kubernetes' own PersistentVolumeClaimSpec, see `kubectl explain pvc.spec`."},
    [FREE_SERVICE_SPEC] = {"ServiceSpec", "Kubernetes' own ServiceSpec, see `kubectl explain service.spec`."},
    [FREE_SETTINGS] =
        {"Settings",
         "A mapping of paths to values. A path is the way through the server's XML with / between the elements: "
         "logger/level. A value is a text, a number (every digit is kept), true or false; a list repeats the element; "
         "_removed_ writes the element with remove=\"1\"; a mapping goes one level down, with @name for an attribute "
         "and #text for the text; {valueFrom: {secretKeyRef: {name, key}}} takes the value from a Secret."},
    [FREE_FILES] = {"Files", "A mapping of file names to contents. A name may begin with the folder: config.d/ (all "
                             "hosts), users.d/ (all hosts, only at the installation), conf.d/ (single hosts). "
                             "{valueFrom: {secretKeyRef: {name, key}}} mounts a Secret instead."},
    [FREE_LABELS] = {"labels", "A mapping of label names to texts."},
    [FREE_RULES] = {"rules", "A mapping with one key: a path with * for any text, and \"yes\" or \"no\"."},
    [FREE_NAMESPACES] = {"namespaces", "A mapping with the lists include and exclude."},
    [FREE_QUANTITIES] = {"quantities", "A mapping of resource names to quantities such as 500m or 10Gi."},
    [FREE_ANY] = {"mapping", "Anything."},
};

const char *schema_free_title(enum free_kind free)
{
    return frees[free].title ? frees[free].title : "mapping";
}

const char *schema_free_text(enum free_kind free)
{
    return frees[free].text ? frees[free].text : "";
}

static void range(const struct shape *s, struct str *out)
{
    str_add(out, "whole number");
    if (s->has_min && s->has_max)
        str_addf(out, " from %" PRId64 " to %" PRId64, s->min, s->max);
    else if (s->has_min)
        str_addf(out, " from %" PRId64, s->min);
}

static const char *text_word(const struct shape *s)
{
    if (s == &schema_string_bool)
        return "\"yes\" or \"no\"";
    if (str_eq(s->name, "Duration"))
        return "duration (30s, 10m, 4h, 1d)";
    if (str_eq(s->name, "Time"))
        return "time (RFC 3339)";
    return s->values ? "word" : s->max_length == 15 ? "name (1 to 15 letters, digits, -)" : "text";
}

void schema_type_text(const struct shape *s, struct str *out)
{
    switch (s->kind) {
    case SHAPE_TEXT:
        str_add(out, text_word(s));
        break;
    case SHAPE_INTEGER:
        range(s, out);
        break;
    case SHAPE_BOOLEAN:
        str_add(out, "true or false");
        break;
    case SHAPE_OBJECT:
        str_add(out, s->name ? s->name : "mapping");
        break;
    case SHAPE_LIST:
        str_add(out, "list of ");
        if (s->items->kind == SHAPE_OBJECT && !s->items->name)
            str_add(out, "mappings");
        else
            schema_type_text(s->items, out);
        break;
    case SHAPE_INT_OR_TEXT:
        str_add(out, "whole number or text");
        break;
    case SHAPE_FREE:
        str_add(out, schema_free_title(s->free));
        break;
    }
}

void schema_list_values(const char *values, struct str *out)
{
    unsigned n = 0;

    for (const char *v = values;; v++) {
        size_t len = strcspn(v, "|");

        if (len)
            str_addf(out, "%s%.*s", n++ ? ", " : "", (int)len, v);
        v += len;
        if (!*v)
            return;
    }
}

void schema_values_text(const struct shape *shape, struct str *out)
{
    const struct shape *s = schema_inner(shape);

    if (s->kind == SHAPE_TEXT && s->values && s != &schema_string_bool)
        schema_list_values(s->values, out);
}

const char *schema_flag_text(unsigned flags)
{
    if (flags & FIELD_OURS)
        return "chfleet's own";
    if (flags & FIELD_NO_EFFECT)
        return "without effect";
    if (flags & FIELD_OBSOLETE)
        return "old form";
    if (flags & FIELD_FILE)
        return "configuration file only";
    return "";
}
