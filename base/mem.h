/* SPDX-License-Identifier: Apache-2.0 */
/* Memory. Running out of it ends the process: the journal makes that safe, and half-handled failures are not. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* As malloc, calloc, realloc, strdup, but they never return NULL (0 bytes give a valid pointer). Caller frees. */
void *mem_alloc(size_t size);
void *mem_zero(size_t size);
void *mem_array(size_t n, size_t size); /* zeroed, overflow-checked */
void *mem_grow(void *ptr, size_t n, size_t size);
void *mem_copy(const void *src, size_t size);
char *mem_str(const char *s); /* NULL gives NULL */
char *mem_strn(const char *s, size_t n);
char *mem_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* First thing in main() of a program that has many processes: what glibc keeps of freed memory for each thread, and stacks of
 * ended threads, can be switched off only by what the environment says at the start. Executes this program anew with that said,
 * as the same process; returns when it is so, or cannot be. The environment is as it was then. Takes milliseconds. */
void mem_keep_little(char **argv);

/* Scope-bound cleanup: `auto_free char *s = mem_str("x");` */
void mem_freep(void *ptr_to_ptr);
void mem_closep(const int *fd);
#define auto_free __attribute__((cleanup(mem_freep)))
#define auto_close __attribute__((cleanup(mem_closep)))

#endif
