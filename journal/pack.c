/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/pack.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "base/mem.h"

/* Stored in files: append only. */
enum tag {
    T_NULL, T_FALSE, T_TRUE,
    T_INT,      /* zigzag varint */
    T_NUMBER,   /* varint length, text */
    T_ARRAY,    /* varint n, values */
    T_OBJECT,   /* varint n, n keys (strings), values: a new shape */
    T_SHAPE,    /* varint shape, values */
    T_TEXT,     /* varint length, bytes */
    T_WORD,     /* varint id in table word */
    T_SEEN,     /* varint index of an earlier string of the document */
    T_HEX,      /* string before, varint bytes, bytes, string after */
    T_UUID,     /* 16 bytes */
    T_TIME,     /* varint seconds since 1970: YYYY-MM-DDThh:mm:ssZ */
    T_SPLIT,    /* varint n, n strings, joined by blanks */
    T_TAGS,
    T_SMALL_INT = 0x80,  /* + 0 … 63 */
    T_SMALL_SEEN = 0xc0, /* + 0 … 63 */
};
enum { SMALL = 64, MAX_SHAPES = 64, MAX_DEPTH = 64, MAX_WORDS = 32768, MAX_WORD = 96 };
enum { HEX_MIN = 16, SPLIT_MAX = 64, PIECES_DEPTH = 8, MAX_TEXT = 64 << 20 };

struct shape {
    size_t *keys, n; /* string indexes */
};

struct pack {
    struct journal_db *words;
    struct err *err;
    struct str *out;
    char **seen; /* strings in the order in which they ended */
    size_t n_seen, cap_seen;
    uint32_t *table; /* open addressing: index + 1 into seen */
    size_t table_size;
    struct shape shapes[MAX_SHAPES];
    size_t n_shapes;
};

static void pack_free(struct pack *p)
{
    for (size_t i = 0; i < p->n_seen; i++)
        free(p->seen[i]);
    for (size_t i = 0; i < p->n_shapes; i++)
        free(p->shapes[i].keys);
    free(p->seen);
    free(p->table);
}

static void remember(struct pack *p, char *text)
{
    if (p->n_seen == p->cap_seen) {
        p->cap_seen = p->cap_seen ? 2 * p->cap_seen : 32;
        p->seen = mem_grow(p->seen, p->cap_seen, sizeof *p->seen);
    }
    p->seen[p->n_seen++] = text;
}

/* ---- packing ---- */

static size_t slot_of(const struct pack *p, const char *text, size_t len)
{
    size_t i = hash_fnv64(text, len) & (p->table_size - 1);

    while (p->table[i] && (strncmp(p->seen[p->table[i] - 1], text, len) != 0 || p->seen[p->table[i] - 1][len]))
        i = (i + 1) & (p->table_size - 1);
    return i;
}

static void index_grow(struct pack *p)
{
    free(p->table);
    p->table_size = p->table_size ? 2 * p->table_size : 64;
    p->table = mem_array(p->table_size, sizeof *p->table);
    for (size_t i = 0; i < p->n_seen; i++)
        p->table[slot_of(p, p->seen[i], strlen(p->seen[i]))] = (uint32_t)i + 1;
}

static void remember_indexed(struct pack *p, const char *text, size_t len)
{
    if (2 * (p->n_seen + 1) > p->table_size)
        index_grow(p);
    remember(p, mem_strn(text, len));
    p->table[slot_of(p, text, len)] = (uint32_t)p->n_seen;
}

static void put_varint(struct str *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        str_addc(out, (char)(v | 0x80));
    str_addc(out, (char)v);
}

static void put_tag(struct str *out, enum tag tag, uint64_t v)
{
    str_addc(out, (char)tag);
    put_varint(out, v);
}

static void put_int(struct str *out, int64_t v)
{
    if (v >= 0 && v < SMALL)
        str_addc(out, (char)(T_SMALL_INT + v));
    else
        put_tag(out, T_INT, (uint64_t)v << 1 ^ (uint64_t)(v >> 63));
}

/* Names come back: more letters than digits, no blank. UIDs, times, counts and durations do not. */
static bool like_a_name(const char *s, size_t len)
{
    size_t digits = 0, letters = 0;

    for (size_t i = 0; i < len; i++) {
        digits += isdigit((unsigned char)s[i]) != 0;
        letters += isalpha((unsigned char)s[i]) != 0;
        if (!isalnum((unsigned char)s[i]) && !strchr("-_./:,@", s[i]))
            return false;
    }
    return letters > digits && isalpha((unsigned char)s[0]) && len > 1 && len <= MAX_WORD;
}

/* 1: *id is its number; 0: the table is full; -1: failed. */
static int word_number(struct pack *p, const char *s, size_t len, int64_t *id)
{
    auto_free char *text = mem_strn(s, len);
    int rc = journal_db_int(p->words, SQL_WORD_ID, id, p->err, text);

    if (rc != 0)
        return rc;
    if (journal_db_run(p->words, SQL_WORD_ADD, p->err, text, (int64_t)MAX_WORDS) < 0)
        return -1;
    return journal_db_int(p->words, SQL_WORD_ID, id, p->err, text);
}

static int nibble(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void put_nibbles(struct str *out, const char *s, size_t len)
{
    int high = -1;

    for (size_t i = 0; i < len; i++) {
        if (s[i] == '-')
            continue;
        if (high < 0) {
            high = nibble(s[i]);
            continue;
        }
        str_addc(out, (char)(high << 4 | nibble(s[i])));
        high = -1;
    }
}

static bool is_uuid(const char *s, size_t len)
{
    if (len != 36)
        return false;
    for (size_t i = 0; i < len; i++)
        if (i == 8 || i == 13 || i == 18 || i == 23 ? s[i] != '-' : nibble(s[i]) < 0)
            return false;
    return true;
}

static void time_text(int64_t at, char buf[32])
{
    time_t t = (time_t)at;
    struct tm tm = {0};

    if (!gmtime_r(&t, &tm) || strftime(buf, 32, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        buf[0] = '\0';
}

static bool is_time(const char *s, size_t len, int64_t *at)
{
    char text[32], again[32];
    struct tm tm = {0};

    if (len != 20 || s[10] != 'T' || s[19] != 'Z')
        return false;
    memcpy(text, s, len);
    text[len] = '\0';
    if (!strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm))
        return false;
    *at = timegm(&tm);
    time_text(*at, again);
    return *at >= 0 && strcmp(text, again) == 0;
}

/* The longest run of lower-case hex digits, even in length; 0 when it is too short to matter. */
static size_t hex_run(const char *s, size_t len, size_t *from)
{
    size_t best = 0;

    for (size_t i = 0, n; i < len; i += n + 1) {
        for (n = 0; i + n < len && nibble(s[i + n]) >= 0; n++)
            continue;
        if (n > best) {
            best = n;
            *from = i;
        }
    }
    best &= ~(size_t)1;
    return best >= HEX_MIN ? best : 0;
}

static size_t blanks(const char *s, size_t len)
{
    size_t n = 0;

    for (size_t i = 0; i < len; i++)
        n += s[i] == ' ';
    return n;
}

static int put_string(struct pack *p, const char *s, size_t len, int depth);

static int put_hex(struct pack *p, const char *s, size_t len, size_t from, size_t n, int depth)
{
    str_addc(p->out, T_HEX);
    if (put_string(p, s, from, depth + 1) < 0)
        return -1;
    put_varint(p->out, n / 2);
    put_nibbles(p->out, s + from, n);
    return put_string(p, s + from + n, len - from - n, depth + 1);
}

static int put_pieces(struct pack *p, const char *s, size_t len, int depth)
{
    const char *end = s + len, *blank;

    put_tag(p->out, T_SPLIT, blanks(s, len) + 1);
    for (; (blank = memchr(s, ' ', (size_t)(end - s))); s = blank + 1)
        if (put_string(p, s, (size_t)(blank - s), depth + 1) < 0)
            return -1;
    return put_string(p, s, (size_t)(end - s), depth + 1);
}

static int put_new_string(struct pack *p, const char *s, size_t len, int depth)
{
    size_t from = 0, n;
    int64_t v;
    int rc = like_a_name(s, len) ? word_number(p, s, len, &v) : 0;

    if (rc < 0)
        return -1;
    if (rc > 0) {
        put_tag(p->out, T_WORD, (uint64_t)v);
        return 0;
    }
    if (is_uuid(s, len)) {
        str_addc(p->out, T_UUID);
        put_nibbles(p->out, s, len);
        return 0;
    }
    if (is_time(s, len, &v)) {
        put_tag(p->out, T_TIME, (uint64_t)v);
        return 0;
    }
    n = blanks(s, len);
    if (n > 0 && n < SPLIT_MAX && depth < PIECES_DEPTH)
        return put_pieces(p, s, len, depth);
    n = depth < PIECES_DEPTH ? hex_run(s, len, &from) : 0;
    if (n > 0)
        return put_hex(p, s, len, from, n, depth);
    put_tag(p->out, T_TEXT, len);
    str_addn(p->out, s, len);
    return 0;
}

static int put_string(struct pack *p, const char *s, size_t len, int depth)
{
    size_t i;

    if (p->table_size && p->table[i = slot_of(p, s, len)]) {
        i = p->table[i] - 1;
        if (i < SMALL)
            str_addc(p->out, (char)(T_SMALL_SEEN + i));
        else
            put_tag(p->out, T_SEEN, i);
        return 0;
    }
    if (put_new_string(p, s, len, depth) < 0)
        return -1;
    remember_indexed(p, s, len);
    return 0;
}

static bool has_keys(const struct pack *p, const struct shape *shape, const cJSON *j, size_t n)
{
    const cJSON *child = j->child;

    if (shape->n != n)
        return false;
    for (size_t i = 0; i < n; i++, child = child->next)
        if (strcmp(p->seen[shape->keys[i]], child->string) != 0)
            return false;
    return true;
}

static int put_shape(struct pack *p, const cJSON *j)
{
    size_t n = (size_t)cJSON_GetArraySize(j), i = 0;
    struct shape new = {NULL, n};
    const cJSON *child;

    for (size_t k = 0; k < p->n_shapes; k++)
        if (has_keys(p, &p->shapes[k], j, n)) {
            put_tag(p->out, T_SHAPE, k);
            return 0;
        }
    put_tag(p->out, T_OBJECT, n);
    new.keys = mem_array(n, sizeof *new.keys);
    cJSON_ArrayForEach(child, j)
    {
        if (put_string(p, child->string, strlen(child->string), 0) < 0) {
            free(new.keys);
            return -1;
        }
        new.keys[i++] = p->table[slot_of(p, child->string, strlen(child->string))] - 1;
    }
    if (p->n_shapes < MAX_SHAPES)
        p->shapes[p->n_shapes++] = new;
    else
        free(new.keys);
    return 0;
}

static void put_number(struct pack *p, const cJSON *j)
{
    auto_free char *text = NULL;

    if (cJSON_IsNumber(j) && j->valuedouble > -9e15 && j->valuedouble < 9e15 &&
        j->valuedouble == (double)(int64_t)j->valuedouble) {
        put_int(p->out, (int64_t)j->valuedouble);
        return;
    }
    text = json_print(j);
    put_tag(p->out, T_NUMBER, strlen(text));
    str_add(p->out, text);
}

static int put_value(struct pack *p, const cJSON *j, int depth)
{
    const cJSON *child;

    if (depth > MAX_DEPTH)
        return err_set(p->err, ERR_INPUT, 0, "JSON nested too deeply for the archive");
    if (cJSON_IsString(j))
        return put_string(p, j->valuestring, strlen(j->valuestring), 0);
    if (cJSON_IsNumber(j) || cJSON_IsRaw(j)) {
        put_number(p, j);
        return 0;
    }
    if (!cJSON_IsArray(j) && !cJSON_IsObject(j)) {
        str_addc(p->out, cJSON_IsTrue(j) ? T_TRUE : cJSON_IsFalse(j) ? T_FALSE : T_NULL);
        return 0;
    }
    if (cJSON_IsArray(j))
        put_tag(p->out, T_ARRAY, (uint64_t)cJSON_GetArraySize(j));
    else if (put_shape(p, j) < 0)
        return -1;
    cJSON_ArrayForEach(child, j)
        if (put_value(p, child, depth + 1) < 0)
            return -1;
    return 0;
}

int journal_pack(const cJSON *doc, struct journal_db *words, struct str *out, struct err *err)
{
    struct pack p = {.words = words, .err = err, .out = out};
    int rc = put_value(&p, doc, 0);

    pack_free(&p);
    return rc;
}

/* ---- unpacking: every length is checked against what is left ---- */

struct unpack {
    struct pack dict; /* seen and shapes only */
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

static const char *get_string(struct unpack *u, int depth);

static void add_hex(struct str *text, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        str_addf(text, "%02x", bytes[i]);
}

static void add_seen_hex(struct unpack *u, struct str *text, int depth)
{
    const char *part = get_string(u, depth + 1);
    size_t n;

    if (u->bad)
        return;
    str_add(text, part);
    n = get_count(u);
    part = get_bytes(u, n);
    if (u->bad)
        return;
    add_hex(text, (const unsigned char *)part, n);
    part = get_string(u, depth + 1);
    if (!u->bad)
        str_add(text, part);
}

static void add_uuid(struct unpack *u, struct str *text)
{
    static const unsigned char groups[] = {4, 2, 2, 2, 6};

    for (size_t i = 0; i < sizeof groups; i++) {
        const char *bytes = get_bytes(u, groups[i]);
        if (!bytes)
            return;
        str_add(text, i ? "-" : "");
        add_hex(text, (const unsigned char *)bytes, groups[i]);
    }
}

static void add_word(struct unpack *u, struct str *text)
{
    sqlite3_stmt *s = journal_db_bind(u->dict.words, SQL_WORD_TEXT, NULL, (int64_t)get_varint(u));

    if (!s || journal_db_next(u->dict.words, s, NULL) != 1) {
        u->bad = true;
        return;
    }
    str_add(text, journal_db_text(s, 0));
    journal_db_done(s);
}

static void add_pieces(struct unpack *u, struct str *text, int depth)
{
    size_t n = get_count(u);

    for (size_t i = 0; i < n && !u->bad; i++) {
        const char *part = get_string(u, depth + 1);
        if (u->bad)
            return;
        str_add(text, i ? " " : "");
        str_add(text, part);
        u->bad |= text->len > MAX_TEXT; /* damaged bytes could refer to themselves for ever */
    }
}

static void add_new_string(struct unpack *u, unsigned char tag, struct str *text, int depth)
{
    const char *bytes;
    char when[32];
    size_t n;

    switch (tag) {
    case T_TEXT:
        n = get_count(u);
        bytes = get_bytes(u, n);
        if (bytes)
            str_addn(text, bytes, n);
        return;
    case T_WORD:
        add_word(u, text);
        return;
    case T_HEX:
        add_seen_hex(u, text, depth);
        return;
    case T_UUID:
        add_uuid(u, text);
        return;
    case T_TIME:
        time_text((int64_t)get_varint(u), when);
        str_add(text, when);
        return;
    case T_SPLIT:
        add_pieces(u, text, depth);
        return;
    default:
        u->bad = true;
    }
}

/* Borrowed from the dictionary; NULL when bad. */
static const char *get_string(struct unpack *u, int depth)
{
    auto_str struct str text = STR_INIT;
    const char *tag = get_bytes(u, 1);
    unsigned char t = tag ? (unsigned char)*tag : T_NULL;

    if (t >= T_SMALL_SEEN || t == T_SEEN) {
        uint64_t i = t == T_SEEN ? get_varint(u) : (uint64_t)(t - T_SMALL_SEEN);
        if (i < u->dict.n_seen)
            return u->dict.seen[i];
        u->bad = true;
        return NULL;
    }
    if (depth > MAX_DEPTH)
        u->bad = true;
    else
        add_new_string(u, t, &text, depth);
    if (u->bad)
        return NULL;
    remember(&u->dict, str_take(&text));
    return u->dict.seen[u->dict.n_seen - 1];
}

static size_t seen_index(const struct unpack *u, const char *s)
{
    for (size_t i = u->dict.n_seen; i-- > 0;)
        if (u->dict.seen[i] == s)
            return i;
    return 0;
}

/* Reads the keys of an object into *shape; the caller frees shape->keys unless it went into the dictionary. */
static bool get_shape(struct unpack *u, unsigned char tag, struct shape *shape)
{
    size_t n;

    if (tag == T_SHAPE) {
        uint64_t i = get_varint(u);
        if (u->bad || i >= u->dict.n_shapes)
            u->bad = true;
        else
            *shape = u->dict.shapes[i];
        return false;
    }
    n = get_count(u);
    shape->keys = mem_array(n, sizeof *shape->keys);
    for (shape->n = 0; shape->n < n && !u->bad; shape->n++) {
        const char *key = get_string(u, 0);
        shape->keys[shape->n] = u->bad ? 0 : seen_index(u, key);
    }
    if (u->bad || u->dict.n_shapes == MAX_SHAPES)
        return true;
    u->dict.shapes[u->dict.n_shapes++] = *shape;
    return false;
}

static cJSON *get_value(struct unpack *u, int depth);

static cJSON *get_object(struct unpack *u, unsigned char tag, int depth)
{
    cJSON *j = cJSON_CreateObject(), *v;
    struct shape shape = {NULL, 0};
    bool own = get_shape(u, tag, &shape);

    for (size_t i = 0; i < shape.n && !u->bad; i++)
        if ((v = get_value(u, depth + 1)))
            cJSON_AddItemToObject(j, u->dict.seen[shape.keys[i]], v);
    if (own)
        free(shape.keys);
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
    uint64_t v;

    switch (tag) {
    case T_NULL:
        return cJSON_CreateNull();
    case T_FALSE:
    case T_TRUE:
        return cJSON_CreateBool(tag == T_TRUE);
    case T_INT:
        v = get_varint(u);
        return cJSON_CreateNumber((double)((int64_t)(v >> 1) ^ -(int64_t)(v & 1)));
    case T_NUMBER:
        return get_number(u);
    default:
        return cJSON_CreateNumber(tag - T_SMALL_INT);
    }
}

static cJSON *get_value(struct unpack *u, int depth)
{
    const char *text;
    unsigned char tag;

    if (u->at == u->end || depth > MAX_DEPTH) {
        u->bad = true;
        return NULL;
    }
    tag = *u->at;
    if (tag >= T_SMALL_SEEN || (tag >= T_TEXT && tag < T_TAGS)) {
        text = get_string(u, 0);
        return text ? cJSON_CreateString(text) : NULL;
    }
    u->at++;
    if (tag == T_ARRAY)
        return get_array(u, depth);
    if (tag == T_OBJECT || tag == T_SHAPE)
        return get_object(u, tag, depth);
    if (tag >= T_TAGS && tag < T_SMALL_INT) {
        u->bad = true;
        return NULL;
    }
    return get_plain(u, tag);
}

cJSON *journal_unpack(const void *data, size_t len, struct journal_db *words, struct err *err)
{
    struct unpack u = {.dict = {.words = words}, .at = data, .end = (const unsigned char *)data + len};
    cJSON *j = get_value(&u, 0);

    pack_free(&u.dict);
    if (!u.bad && j && u.at == u.end)
        return j;
    cJSON_Delete(j);
    err_set(err, ERR_INPUT, 0, "an archived row of the journal is damaged");
    return NULL;
}
