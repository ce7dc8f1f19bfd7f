/* SPDX-License-Identifier: Apache-2.0 */
#include "journal/pack.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/hash.h"
#include "base/mem.h"
#include "journal/pack_form.h"

struct pack {
    struct journal_db *words;
    struct err *err;
    struct str *out;
    struct journal_dict dict;
    uint32_t *table; /* open addressing: index + 1 into dict.seen */
    size_t table_size;
};

static size_t slot_of(const struct pack *p, const char *text, size_t len)
{
    size_t i = hash_fnv64(text, len) & (p->table_size - 1);

    while (p->table[i] &&
           (strncmp(p->dict.seen[p->table[i] - 1], text, len) != 0 || p->dict.seen[p->table[i] - 1][len]))
        i = (i + 1) & (p->table_size - 1);
    return i;
}

static void index_grow(struct pack *p)
{
    free(p->table);
    p->table_size = p->table_size ? 2 * p->table_size : 64;
    p->table = mem_array(p->table_size, sizeof *p->table);
    for (size_t i = 0; i < p->dict.n_seen; i++)
        p->table[slot_of(p, p->dict.seen[i], strlen(p->dict.seen[i]))] = (uint32_t)i + 1;
}

static void remember_indexed(struct pack *p, const char *text, size_t len)
{
    if (2 * (p->dict.n_seen + 1) > p->table_size)
        index_grow(p);
    journal_dict_add(&p->dict, mem_strn(text, len));
    p->table[slot_of(p, text, len)] = (uint32_t)p->dict.n_seen;
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

static uint64_t zigzag(int64_t v)
{
    return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static void put_int(struct str *out, int64_t v)
{
    if (v >= 0 && v < SMALL)
        str_addc(out, (char)(T_SMALL_INT + v));
    else
        put_tag(out, T_INT, zigzag(v));
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
    journal_time_text(*at, again);
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

static bool is_decimal(const char *s, size_t len, int64_t *v)
{
    if (len == 0 || len > 15 || (s[0] == '0' && len > 1))
        return false;
    *v = 0;
    for (size_t i = 0; i < len; i++) {
        if (!isdigit((unsigned char)s[i]))
            return false;
        *v = *v * 10 + (s[i] - '0');
    }
    return true;
}

/* Forms that are not remembered. 1: done, 0: it is none of them. */
static int put_special(struct pack *p, const char *s, size_t len, int depth)
{
    size_t from = 0, n;
    int64_t v;

    if (depth > 0 && is_decimal(s, len, &v)) { /* as a value of its own it would be read as a number */
        put_int(p->out, v);
        return 1;
    }
    if (is_uuid(s, len)) {
        str_addc(p->out, T_UUID);
        put_nibbles(p->out, s, len);
        return 1;
    }
    if (is_time(s, len, &v)) {
        put_tag(p->out, T_TIME, (uint64_t)v);
        return 1;
    }
    n = depth < PIECES_DEPTH && blanks(s, len) == 0 ? hex_run(s, len, &from) : 0;
    if (n > 0)
        return put_hex(p, s, len, from, n, depth) < 0 ? -1 : 1;
    return 0;
}

/* A number that is written back as it was: digits without a leading zero. Its length, 0: there is none at s. */
static size_t number_at(const char *s, size_t len, int64_t *v)
{
    size_t n = 0;

    while (n < len && isdigit((unsigned char)s[n]))
        n++;
    return is_decimal(s, n, v) ? n : 0;
}

/* The sentence with holes for its numbers: sentences come back, numbers do not. False: too long, or of odd bytes. */
static bool form_of(const char *s, size_t len, struct str *form, struct str *numbers)
{
    size_t from, letters = 0;
    int64_t v;

    if (hex_run(s, len, &from) > 0)
        return false;
    for (size_t i = 0, n; i < len && form->len <= MAX_WORD; i += n) {
        n = number_at(s + i, len - i, &v);
        if (n > 0) {
            str_addc(form, HOLE);
            put_varint(numbers, (uint64_t)v);
            continue;
        }
        for (n = 1; isdigit((unsigned char)s[i]) && i + n < len && isdigit((unsigned char)s[i + n]); n++)
            continue;
        if ((unsigned char)s[i] < ' ' && s[i] != BETWEEN)
            return false;
        letters += isalpha((unsigned char)s[i]) != 0;
        str_addn(form, s + i, n);
    }
    return letters > 1 && form->len <= MAX_WORD;
}

/* 1: done; 0: not as a form. */
static int put_form(struct pack *p, const char *s, size_t len)
{
    auto_str struct str form = STR_INIT, numbers = STR_INIT;
    int64_t id;
    int rc = form_of(s, len, &form, &numbers) ? word_number(p, str_text(&form), form.len, &id) : 0;

    if (rc <= 0)
        return rc;
    put_tag(p->out, numbers.len ? T_FORM : T_WORD, (uint64_t)id);
    str_addn(p->out, str_text(&numbers), numbers.len);
    return 1;
}

static int put_new_string(struct pack *p, const char *s, size_t len, int depth)
{
    int64_t id;
    size_t n;
    bool name = like_a_name(s, len);
    int rc = name ? word_number(p, s, len, &id) : put_form(p, s, len);

    if (rc > 0 && name)
        put_tag(p->out, T_WORD, (uint64_t)id);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    n = blanks(s, len);
    if (n > 0 && n < SPLIT_MAX && depth < PIECES_DEPTH)
        return put_pieces(p, s, len, depth);
    put_tag(p->out, T_TEXT, len);
    str_addn(p->out, s, len);
    return 0;
}

static int put_string(struct pack *p, const char *s, size_t len, int depth)
{
    size_t i;
    int rc;

    if (p->table_size && p->table[i = slot_of(p, s, len)]) {
        i = p->table[i] - 1;
        if (i < SMALL)
            str_addc(p->out, (char)(T_SMALL_SEEN + i));
        else
            put_tag(p->out, T_SEEN, i);
        return 0;
    }
    rc = put_special(p, s, len, depth);
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (put_new_string(p, s, len, depth) < 0)
        return -1;
    remember_indexed(p, s, len);
    return 0;
}

static bool has_keys(const struct journal_shape *shape, const cJSON *j, size_t n)
{
    const cJSON *child = j->child;

    if (shape->n != n)
        return false;
    for (size_t i = 0; i < n; i++, child = child->next)
        if (strcmp(shape->keys[i], child->string) != 0)
            return false;
    return true;
}

static void remember_shape(struct pack *p, const cJSON *j, size_t n)
{
    struct journal_shape *shape = &p->dict.shapes[p->dict.n_shapes++];
    const cJSON *child;

    *shape = (struct journal_shape){mem_array(n, sizeof *shape->keys), 0};
    cJSON_ArrayForEach(child, j) shape->keys[shape->n++] = mem_str(child->string);
}

static int put_shape(struct pack *p, const cJSON *j)
{
    size_t n = (size_t)cJSON_GetArraySize(j);
    const cJSON *child;

    for (size_t k = 0; k < p->dict.n_shapes; k++)
        if (has_keys(&p->dict.shapes[k], j, n)) {
            put_tag(p->out, T_SHAPE, k);
            return 0;
        }
    put_tag(p->out, T_OBJECT, n);
    cJSON_ArrayForEach(child, j) if (put_string(p, child->string, strlen(child->string), 0) < 0) return -1;
    if (p->dict.n_shapes < MAX_SHAPES)
        remember_shape(p, j, n);
    return 0;
}

static bool is_int(const cJSON *j)
{
    return cJSON_IsNumber(j) && j->valuedouble > -9e15 && j->valuedouble < 9e15 &&
           j->valuedouble == (double)(int64_t)j->valuedouble;
}

static void put_number(struct pack *p, const cJSON *j)
{
    auto_free char *text = NULL;

    if (is_int(j)) {
        put_int(p->out, (int64_t)j->valuedouble);
        return;
    }
    text = json_print(j);
    put_tag(p->out, T_NUMBER, strlen(text));
    str_add(p->out, text);
}

static bool all_ints(const cJSON *array)
{
    const cJSON *child;

    cJSON_ArrayForEach(child, array) if (!is_int(child)) return false;
    return array->child != NULL;
}

static int put_value(struct pack *p, const cJSON *j, int depth);

static size_t run_length(const cJSON *item)
{
    size_t n = 1;

    for (const cJSON *next = item->next; next && next->valuedouble == item->valuedouble; next = next->next)
        n++;
    return n;
}

static const cJSON *skip_items(const cJSON *item, size_t n)
{
    while (n-- > 0)
        item = item->next;
    return item;
}

static void put_ints(struct pack *p, const cJSON *array)
{
    size_t n = (size_t)cJSON_GetArraySize(array), runs = 0, len;
    const cJSON *child;

    for (child = array->child; child; child = skip_items(child, run_length(child)))
        runs++;
    put_tag(p->out, 2 * runs < n ? T_RUNS : T_INTS, 2 * runs < n ? runs : n);
    for (child = array->child; child; child = skip_items(child, len)) {
        len = 2 * runs < n ? run_length(child) : 1;
        put_varint(p->out, zigzag((int64_t)child->valuedouble));
        if (2 * runs < n)
            put_varint(p->out, len);
    }
}

/* Lists of plain words, as the names of steps: the whole list is one word. */
static bool joined_list(const cJSON *array, struct str *list)
{
    const cJSON *child;

    if (cJSON_GetArraySize(array) < LIST_MIN)
        return false;
    cJSON_ArrayForEach(child, array)
    {
        if (!cJSON_IsString(child) || strpbrk(child->valuestring, "0123456789\x1f") || list->len > MAX_WORD)
            return false;
        if (child != array->child)
            str_addc(list, BETWEEN);
        str_add(list, child->valuestring);
    }
    return list->len <= MAX_WORD;
}

static int put_array(struct pack *p, const cJSON *j, int depth)
{
    auto_str struct str list = STR_INIT;
    const cJSON *child;

    if (all_ints(j)) {
        put_ints(p, j);
        return 0;
    }
    if (joined_list(j, &list)) {
        str_addc(p->out, T_LIST);
        return put_string(p, str_text(&list), list.len, 0);
    }
    put_tag(p->out, T_ARRAY, (uint64_t)cJSON_GetArraySize(j));
    cJSON_ArrayForEach(child, j) if (put_value(p, child, depth + 1) < 0) return -1;
    return 0;
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
        return put_array(p, j, depth);
    if (put_shape(p, j) < 0)
        return -1;
    cJSON_ArrayForEach(child, j) if (put_value(p, child, depth + 1) < 0) return -1;
    return 0;
}

int journal_pack(const cJSON *doc, struct journal_db *words, struct str *out, struct err *err)
{
    struct pack p = {.words = words, .err = err, .out = out};
    int rc = put_value(&p, doc, 0);

    journal_dict_free(&p.dict);
    free(p.table);
    return rc;
}
