/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines of the daemons: "2026-01-02T03:04:05.678Z notice supervisor ns/name: text" on stderr. notice = something
 * happened to a fleet; info = each step; debug = about our code; warning and error end with what to do. Only the
 * place that ends a story logs an error. Command-line programs print instead. Never log a secret.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_ERR, LOG_WARN, LOG_NOTE, LOG_INFO, LOG_DBG };

void log_init(const char *program, enum log_level level); /* program: static text */
void log_set_level(enum log_level level);
int log_level_parse(const char *name); /* "error".."debug" → level, -1 when unknown */

/* `about` is the object ("ns/installation/cluster/0/1") or NULL. May block as a write to stderr does. */
void log_at(enum log_level level, const char *about, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define log_error(about, ...) log_at(LOG_ERR, about, __VA_ARGS__)
#define log_warn(about, ...) log_at(LOG_WARN, about, __VA_ARGS__)
#define log_note(about, ...) log_at(LOG_NOTE, about, __VA_ARGS__)
#define log_info(about, ...) log_at(LOG_INFO, about, __VA_ARGS__)
#define log_debug(about, ...) log_at(LOG_DBG, about, __VA_ARGS__)

#endif
