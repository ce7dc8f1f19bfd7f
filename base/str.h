/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte string, always NUL-terminated. `struct str s = STR_INIT; … str_free(&s);` */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct str {
    char *s; /* never NULL after the first append; "" until then through str_text() */
    size_t len, cap;
};

#define STR_INIT {NULL, 0, 0}

void str_free(struct str *s);
#define auto_str __attribute__((cleanup(str_free)))
void str_reset(struct str *s); /* empties, keeps the memory */
void str_add(struct str *s, const char *text);
void str_addn(struct str *s, const void *data, size_t n);
void str_addc(struct str *s, char c);
void str_addf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void str_addv(struct str *s, const char *fmt, va_list args) __attribute__((format(printf, 2, 0)));
void str_cut(struct str *s, size_t front); /* drops bytes at the front */
const char *str_text(const struct str *s);  /* "" when empty; valid until the next change */
char *str_take(struct str *s);              /* gives the memory to the caller, who frees; s is empty after */

bool str_eq(const char *a, const char *b);           /* NULL-safe; NULL equals NULL only */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
bool str_glob(const char *pattern, const char *text); /* '*' = any characters, anchored at both ends, no other magic */

/* The peer's StringBool: 1/true/yes/on/enable/enabled in any case. Returns 1, 0, or -1 when it is neither form
 * (NULL and "" included). Source: reference of the resource's field type. */
int str_bool(const char *s);

#endif
