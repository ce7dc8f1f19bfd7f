/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static _Noreturn void out_of_memory(size_t size)
{
    fprintf(stderr, "chfleet: out of memory (%zu bytes wanted)\n", size);
    abort();
}

void *mem_alloc(size_t size)
{
    void *p = malloc(size ? size : 1);

    if (!p)
        out_of_memory(size);
    return p;
}

void *mem_array(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);

    if (!p)
        out_of_memory(n * size);
    return p;
}

void *mem_zero(size_t size)
{
    return mem_array(1, size);
}

void *mem_grow(void *ptr, size_t n, size_t size)
{
    void *p;

    if (size && n > SIZE_MAX / size)
        out_of_memory(SIZE_MAX);
    p = realloc(ptr, n == 0 || size == 0 ? 1 : n * size);
    if (!p)
        out_of_memory(n * size);
    return p;
}

void *mem_copy(const void *src, size_t size)
{
    void *p = mem_alloc(size);

    if (size)
        memcpy(p, src, size);
    return p;
}

char *mem_strn(const char *s, size_t n)
{
    char *p = mem_alloc(n + 1);

    if (n)
        memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

char *mem_str(const char *s)
{
    return s ? mem_strn(s, strlen(s)) : NULL;
}

char *mem_printf(const char *fmt, ...)
{
    char *s = NULL;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&s, fmt, ap);
    va_end(ap);
    if (n < 0)
        out_of_memory(0);
    return s;
}

#define TUNABLES "GLIBC_TUNABLES"
#define KEEP_LITTLE "glibc.malloc.tcache_count=0:glibc.pthread.stack_cache_size=0"

static void tunables_set(const char *text)
{
    if (text && *text)
        setenv(TUNABLES, text, 1);
    else
        unsetenv(TUNABLES);
}

void mem_keep_little(char **argv)
{
    auto_free char *said = mem_str(getenv(TUNABLES)), *more = NULL;
    char *ours = said ? strstr(said, KEEP_LITTLE) : NULL, self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);

    if (ours) { /* so it is. What others had said stands before ours; programs that we run get that alone */
        ours[ours > said ? -1 : 0] = '\0';
        tunables_set(said);
        return;
    }
    if (n <= 0 || getauxval(AT_SECURE)) /* then the loader takes it away */
        return;
    self[n] = '\0';
    more = mem_printf("%s%s" KEEP_LITTLE, said ? said : "", said && *said ? ":" : "");
    tunables_set(more);
    execv(self, argv);
    tunables_set(said);
}

void mem_freep(void *ptr_to_ptr)
{
    free(*(void **)ptr_to_ptr);
}

void mem_closep(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
