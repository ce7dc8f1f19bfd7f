/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts about an API server, as text, and what tells whether they are so. One file of facts is run against the plane and
 * against kube-apiserver: what holds of one must hold of the other. Lines:
 *
 *   = a sentence                      begins a fact; it ends at the next one. A wrong expectation ends it at once.
 *   only plane | only cluster         this fact is about one of the two, by design
 *   POST PATH [as TYPE] [for FORM] [onto NAME]
 *     {a: YAML or JSON body}          lines that begin with a blank, '{' or '['; `onto` merges it into what was kept
 *   until SECONDS GET PATH            again and again, until its expectations hold
 *   watch PATH                        opens a watch (one at a time); `events N` waits for N events, `events end` for its end
 *   ? 201                             the status of the last answer
 *   ? PATH = VALUE                    also !=, ~ (holds this text), > (a number), absent, present, size N, let NAME
 *   ? header NAME ~ TEXT
 *   keep NAME                         the last answer, for `onto`
 *   repeat NAME N TEXT                a long text
 *
 * PATH is .a.b[0][key.with.dots][name=value]. $NAME is what `let`, `repeat` or the program gave; in an address it is escaped.
 */
#ifndef TESTS_CONFORM_H
#define TESTS_CONFORM_H

#include <stdbool.h>

#include "base/json.h"
#include "base/str.h"

/* ---- wire.c: requests that block ---- */
struct wire;
struct wire_answer {
    int status; /* 0: none, body has the reason as text */
    struct str headers, text;
    cJSON *body; /* NULL when it is no JSON */
};
struct wire_request {
    const char *method, *path, *type /* NULL: no body */, *accept, *body;
};
/* Credentials by the project's client; NULL: err. `is_plane` as /version says. */
struct wire *wire_open(const char *kubeconfig, bool *is_plane, struct err *err);
void wire_close(struct wire *w);
void wire_send(struct wire *w, const struct wire_request *req, struct wire_answer *out);
void wire_answer_free(struct wire_answer *a);
void wire_watch(struct wire *w, const char *path);
/* Until there are n events that are no bookmarks (n < 0: until the stream ends), or 20 s have passed: {status, events, bookmarks, ended}.
 * Events that were told once are not told again. */
cJSON *wire_events(struct wire *w, int n);
void wire_unwatch(struct wire *w);

/* ---- expect.c ---- */
/* The value at a path, or NULL. */
const cJSON *expect_at(const cJSON *body, const char *path);
/* One "PATH OP VALUE"; false: why says what is so instead. `let` puts into vars. */
bool expect_holds(const cJSON *body, const char *line, cJSON *vars, struct str *why);
cJSON *expect_yaml(const char *text, struct err *err);

#endif
