/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small binary form of JSON for rows that are kept for years and read seldom. Strings that look like names are
 * numbers of the table `word`; a string or an object shape seen before in the same document is a back reference;
 * integers are variable-length; UUIDs, long hexadecimal runs and RFC 3339 seconds are stored as what they are.
 * Lossless.
 */
#ifndef JOURNAL_PACK_H
#define JOURNAL_PACK_H

#include "base/json.h"
#include "journal/db.h"

/* Appends to out. May add words, so the connection is in a transaction. */
int journal_pack(const cJSON *doc, struct journal_db *words, struct str *out, struct err *err);

/* Caller owns. NULL and ERR_INPUT when the bytes are not what journal_pack() makes. */
cJSON *journal_unpack(const void *data, size_t len, struct journal_db *words, struct err *err);

#endif
