/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors as values. A function that can fail takes `struct err *` last and returns 0 or -1; it leaves the err
 * untouched on success and writes its outputs only on success. The kind decides what a caller does, the text is
 * for people: what happened, to which object, what to do next.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

enum err_kind {
    ERR_NONE,
    ERR_AGAIN,    /* passing: try again later (time-out, 429, 5xx, connection lost) */
    ERR_REFUSED,  /* a rule of ours or of the other side forbids it */
    ERR_INPUT,    /* what the user gave is wrong */
    ERR_CONFLICT, /* somebody changed it meanwhile: read again */
    ERR_MISSING,  /* the object is not there */
    ERR_SYS,      /* the machine said no; `sys` has errno */
    ERR_BUG,      /* cannot happen */
};

struct err {
    enum err_kind kind;
    int sys;       /* errno, an HTTP status or a ClickHouse code, as the function says; 0 if none */
    char msg[504]; /* cut with "..." if longer */
};

#define ERR_INIT {ERR_NONE, 0, ""}

/* Sets the error and returns -1, so that `return err_set(...)` works. A NULL err is allowed. With ERR_SYS and a
 * non-zero sys, ": " and strerror(sys) are appended. Does not block. */
int err_set(struct err *err, enum err_kind kind, int sys, const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Puts "text: " before the message and returns -1. */
int err_ctx(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* "again", "refused", … for logs and the journal. Static text. */
const char *err_kind_name(enum err_kind kind);

/* The exit code of the command line for this kind (design: 1 failed, 2 bad input, 3 refused, 4 timed out,
 * 5 unreachable). */
int err_exit_code(const struct err *err);

#endif
