/* SPDX-License-Identifier: Apache-2.0 */
/* How shapes are called in texts for people. */
#ifndef SCHEMA_WORDS_H
#define SCHEMA_WORDS_H

#include "base/str.h"
#include "schema/fields.h"

/* The spellings of a StringBool, for texts. */
#define SCHEMA_BOOL_WORDS                                                                                              \
    "yes, on, true, enable, enabled, 1 or no, off, false, disable, disabled, 0; small or with a capital, in quotes"

/* "text", "list of mappings", "whole number from 1 to 65535". */
void schema_type_text(const struct shape *shape, struct str *out);
/* `yes` or `no`, or the values between ", "; nothing when any text is possible. */
void schema_values_text(const struct shape *shape, struct str *out);
/* The bar-separated values between ", ", the empty one left out. */
void schema_list_values(const char *values, struct str *out);
/* "chfleet's own", "without effect", … of the flags; "" when there is nothing to say. */
const char *schema_flag_text(unsigned flags);
/* What a free-form part really is, as a title and sentences. */
const char *schema_free_title(enum free_kind free);
const char *schema_free_text(enum free_kind free);

/* How far apart two words are: inserted, lost, changed and swapped letters, the case of a letter counting nothing. */
unsigned schema_word_distance(const char *a, const char *b);
/* Is `word` probably a slip for `meant`? */
bool schema_word_near(const char *word, const char *meant);

#endif
