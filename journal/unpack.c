/* SPDX-License-Identifier: Apache-2.0 */
/* Every length is checked against what is left: the bytes may be damaged. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "journal/pack.h"
#include "journal/pack_form.h"

struct unpack {
    struct journal_db *words;
    struct journal_dict dict;
    const unsigned char *at, *end;
    bool bad;
};

static uint64_t get_varint(struct unpack *u)
{
    uint64_t v = 0;

    for (unsigned shift = 0; u->at < u->end && shift < 64; shift += 7) {
        unsigned char c = *u->at++;
        v |= (uint64_t)(c & 0x7f) << shift;
        if (c < 0x80)
            return v;
    }
    u->bad = true;
    return 0;
}

/* A count or length: each unit takes at least one byte of what is left. */
static size_t get_count(struct unpack *u)
{
    uint64_t n = get_varint(u);

    if (n > (uint64_t)(u->end - u->at))
        u->bad = true;
    return u->bad ? 0 : (size_t)n;
}

static const char *get_bytes(struct unpack *u, size_t n)
{
    const unsigned char *from = u->at;

    if (n > (size_t)(u->end - u->at)) {
        u->bad = true;
        return NULL;
    }
    u->at += n;
    return (const char *)from;
}

static int64_t get_zigzag(struct unpack *u)
{
    uint64_t v = get_varint(u);

    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static void add_string(struct unpack *u, struct str *out, int depth);

static void add_hex_bytes(struct unpack *u, struct str *out, size_t n)
{
    const char *bytes = get_bytes(u, n);

    for (size_t i = 0; bytes && i < n; i++)
        str_addf(out, "%02x", (unsigned char)bytes[i]);
}

static void add_hex(struct unpack *u, struct str *out, int depth)
{
    add_string(u, out, depth + 1);
    add_hex_bytes(u, out, get_count(u));
    add_string(u, out, depth + 1);
}

static void add_uuid(struct unpack *u, struct str *out)
{
    static const unsigned char groups[] = {4, 2, 2, 2, 6};

    for (size_t i = 0; i < sizeof groups; i++) {
        str_add(out, i ? "-" : "");
        add_hex_bytes(u, out, groups[i]);
    }
}

static void add_time(struct unpack *u, struct str *out)
{
    char text[32];

    journal_time_text((int64_t)get_varint(u), text);
    str_add(out, text);
}

static void add_text(struct unpack *u, struct str *out)
{
    size_t n = get_count(u);
    const char *bytes = get_bytes(u, n);

    if (bytes)
        str_addn(out, bytes, n);
}

static void add_filled(struct unpack *u, struct str *out, const char *form)
{
    for (; *form; form++)
        if (*form == HOLE)
            str_addf(out, "%llu", (unsigned long long)get_varint(u));
        else
            str_addc(out, *form);
}

static void add_word(struct unpack *u, struct str *out)
{
    sqlite3_stmt *s = journal_db_bind(u->words, SQL_WORD_TEXT, NULL, (int64_t)get_varint(u));

    if (!s || journal_db_next(u->words, s, NULL) != 1) {
        u->bad = true;
        return;
    }
    add_filled(u, out, journal_db_text(s, 0));
    journal_db_done(s);
}

static void add_pieces(struct unpack *u, struct str *out, int depth)
{
    size_t n = get_count(u);

    for (size_t i = 0; i < n && !u->bad; i++) {
        str_add(out, i ? " " : "");
        add_string(u, out, depth + 1);
    }
}

static void add_seen(struct unpack *u, struct str *out, uint64_t i)
{
    if (i < u->dict.n_seen)
        str_add(out, u->dict.seen[i]);
    else
        u->bad = true;
}

/* Strings that the packer did not remember either. */
static bool add_special(struct unpack *u, unsigned char tag, struct str *out, int depth)
{
    if (tag >= T_SMALL_SEEN)
        add_seen(u, out, tag - T_SMALL_SEEN);
    else if (tag >= T_SMALL_INT)
        str_addf(out, "%d", tag - T_SMALL_INT);
    else if (tag == T_SEEN)
        add_seen(u, out, get_varint(u));
    else if (tag == T_INT)
        str_addf(out, "%lld", (long long)get_zigzag(u));
    else if (tag == T_HEX)
        add_hex(u, out, depth);
    else if (tag == T_UUID)
        add_uuid(u, out);
    else if (tag == T_TIME)
        add_time(u, out);
    else
        return false;
    return true;
}

static void add_remembered(struct unpack *u, unsigned char tag, struct str *out, int depth)
{
    size_t from = out->len;

    if (tag == T_TEXT)
        add_text(u, out);
    else if (tag == T_WORD || tag == T_FORM)
        add_word(u, out);
    else if (tag == T_SPLIT)
        add_pieces(u, out, depth);
    else
        u->bad = true;
    if (!u->bad)
        journal_dict_add(&u->dict, mem_strn(str_text(out) + from, out->len - from));
}

static void add_string(struct unpack *u, struct str *out, int depth)
{
    const char *tag = get_bytes(u, 1);

    if (!tag || depth > MAX_DEPTH || out->len > MAX_TEXT) { /* damaged bytes could repeat themselves without end */
        u->bad = true;
        return;
    }
    if (!add_special(u, (unsigned char)*tag, out, depth))
        add_remembered(u, (unsigned char)*tag, out, depth);
}

static void get_keys(struct unpack *u, struct journal_shape *shape)
{
    size_t n = get_count(u);

    *shape = (struct journal_shape){mem_array(n, sizeof *shape->keys), 0};
    while (shape->n < n && !u->bad) {
        struct str key = STR_INIT;

        add_string(u, &key, 0);
        shape->keys[shape->n++] = str_take(&key);
    }
}

/* The shape of the next object, borrowed; *own: not in the dictionary, the caller frees it. */
static struct journal_shape get_shape(struct unpack *u, unsigned char tag, bool *own)
{
    struct journal_shape shape = {NULL, 0};
    uint64_t i;

    *own = false;
    if (tag == T_OBJECT) {
        get_keys(u, &shape);
        *own = u->dict.n_shapes == MAX_SHAPES;
        if (!*own)
            u->dict.shapes[u->dict.n_shapes++] = shape;
        return shape;
    }
    i = get_varint(u);
    if (u->bad || i >= u->dict.n_shapes) {
        u->bad = true;
        return shape;
    }
    return u->dict.shapes[i];
}

static cJSON *get_value(struct unpack *u, int depth);

static cJSON *get_object(struct unpack *u, unsigned char tag, int depth)
{
    cJSON *j = cJSON_CreateObject(), *v;
    bool own;
    struct journal_shape shape = get_shape(u, tag, &own);

    for (size_t i = 0; i < shape.n && !u->bad; i++)
        if ((v = get_value(u, depth + 1)))
            cJSON_AddItemToObject(j, shape.keys[i], v);
    if (own)
        journal_shape_free(&shape);
    return j;
}

static cJSON *get_array(struct unpack *u, int depth)
{
    size_t n = get_count(u);
    cJSON *j = cJSON_CreateArray(), *v;

    for (size_t i = 0; i < n && !u->bad; i++)
        if ((v = get_value(u, depth + 1)))
            cJSON_AddItemToArray(j, v);
    return j;
}

static cJSON *get_ints(struct unpack *u, bool runs)
{
    size_t n = get_count(u), total = 0;
    cJSON *j = cJSON_CreateArray();

    for (size_t i = 0; i < n && !u->bad; i++) {
        double v = (double)get_zigzag(u);
        uint64_t times = runs ? get_varint(u) : 1;

        u->bad |= times > MAX_ITEMS || (total += times) > MAX_ITEMS;
        for (uint64_t k = 0; k < times && !u->bad; k++)
            cJSON_AddItemToArray(j, cJSON_CreateNumber(v));
    }
    return j;
}

static cJSON *get_list(struct unpack *u)
{
    auto_str struct str list = STR_INIT;
    cJSON *j = cJSON_CreateArray();
    char *at, *end;

    add_string(u, &list, 0);
    if (u->bad)
        return j;
    for (at = list.s ? list.s : ""; (end = strchr(at, BETWEEN)); at = end + 1) {
        *end = '\0';
        json_add_str(j, at);
    }
    json_add_str(j, at);
    return j;
}

static cJSON *get_number(struct unpack *u)
{
    size_t n = get_count(u);
    const char *bytes = get_bytes(u, n);
    auto_free char *text = bytes ? mem_strn(bytes, n) : NULL;

    if (!text || n == 0 || strspn(text, "+-.eE0123456789") != n) {
        u->bad = true;
        return NULL;
    }
    return strpbrk(text, ".eE") ? cJSON_CreateNumber(strtod(text, NULL)) : cJSON_CreateRaw(text);
}

static cJSON *get_plain(struct unpack *u, unsigned char tag)
{
    switch (tag) {
    case T_NULL:
        return cJSON_CreateNull();
    case T_FALSE:
    case T_TRUE:
        return cJSON_CreateBool(tag == T_TRUE);
    case T_INT:
        return cJSON_CreateNumber((double)get_zigzag(u));
    case T_NUMBER:
        return get_number(u);
    default:
        return cJSON_CreateNumber(tag - T_SMALL_INT);
    }
}

static cJSON *get_text(struct unpack *u)
{
    auto_str struct str text = STR_INIT;

    add_string(u, &text, 0);
    return cJSON_CreateString(str_text(&text));
}

static cJSON *get_value(struct unpack *u, int depth)
{
    unsigned char tag;

    if (u->at == u->end || depth > MAX_DEPTH) {
        u->bad = true;
        return NULL;
    }
    tag = *u->at;
    if (tag >= T_SMALL_SEEN || (tag >= T_TEXT && tag <= T_SPLIT) || tag == T_FORM)
        return get_text(u);
    u->at++;
    if (tag == T_ARRAY)
        return get_array(u, depth);
    if (tag == T_OBJECT || tag == T_SHAPE)
        return get_object(u, tag, depth);
    if (tag == T_INTS || tag == T_RUNS)
        return get_ints(u, tag == T_RUNS);
    if (tag == T_LIST)
        return get_list(u);
    if (tag >= T_TAGS && tag < T_SMALL_INT) {
        u->bad = true;
        return NULL;
    }
    return get_plain(u, tag);
}

cJSON *journal_unpack(const void *data, size_t len, struct journal_db *words, struct err *err)
{
    struct unpack u = {.words = words, .at = data, .end = (const unsigned char *)data + len};
    cJSON *j = get_value(&u, 0);

    journal_dict_free(&u.dict);
    if (!u.bad && j && u.at == u.end)
        return j;
    cJSON_Delete(j);
    err_set(err, ERR_INPUT, 0, "an archived row of the journal is damaged");
    return NULL;
}
