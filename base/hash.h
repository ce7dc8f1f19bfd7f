/* SPDX-License-Identifier: Apache-2.0 */
/* Digests (OpenSSL's libcrypto) and encodings. Callers free returned strings. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

char *hash_sha256_hex(const void *data, size_t len);
char *hash_sha1_hex(const void *data, size_t len);
char *hash_md5_hex(const void *data, size_t len);
char *hash_base64(const void *data, size_t len);
unsigned char *hash_unbase64(const char *text, size_t *len); /* NULL when it is not base64; NUL follows the bytes */
uint64_t hash_fnv64(const void *data, size_t len);           /* FNV-1a, for tables; not for anything that is compared across hosts of unequal trust */

#endif
