/* SPDX-License-Identifier: Apache-2.0 */
/* Processes of chfleet up. A pid file holds pid, start time and boot id, so that a number that was given to somebody else
 * meanwhile is never taken for ours, and nothing is ever signalled by name. */
#ifndef CLI_DAEMON_H
#define CLI_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Layout of the folder; each path is made by daemon_path(). */
#define DAEMON_MARKER "chfleet.data" /* says the folder is ours, and its version */
enum { DAEMON_LAYOUT = 1 };

char *daemon_path(const char *dir, const char *below); /* "DIR/below"; caller frees */

/* Makes the folder (mode 0700) with its marker, or finds it right. ERR_INPUT: it is not empty and not ours, or belongs to
 * a newer version. */
int daemon_prepare_dir(const char *dir, struct err *err);
/* Is there a folder with our marker? ERR_MISSING when there is no folder, ERR_INPUT when it is not ours. */
int daemon_check_dir(const char *dir, struct err *err);
/* Takes DIR/run/NAME.lock; *fd is closed on exec. ERR_REFUSED when another process has it and wait is false. */
int daemon_lock(const char *dir, const char *name, bool wait, int *fd, struct err *err);

/* A handle (pidfd, closed on exec) of the process that DIR/run/NAME.pid names, or that has its lock; -1 when none lives. */
int daemon_find(const char *dir, const char *name, pid_t *pid);

/* Starts argv in a session of its own, standard input from nowhere, output appended to DIR/log/NAME.log, and writes
 * DIR/run/NAME.pid. Gives the pid; -1 and err when it cannot even be executed. */
pid_t daemon_start(const char *dir, const char *name, const char *const *argv, struct err *err);

/* Waits until the process of this pidfd has ended; false when ms passed before. */
bool daemon_wait(int pidfd, int ms);
/* TERM, then KILL after grace_ms. False: there was nothing to end. */
bool daemon_stop(const char *dir, const char *name, int grace_ms);
void daemon_signal(int pidfd, int signo);

/* The folder this program is in, then PATH. Caller frees; NULL when there is no such program. */
char *daemon_program(const char *name);

/* The last lines of DIR/log/NAME.log on stderr, indented. */
void daemon_show_log(const char *dir, const char *name, unsigned lines);

#endif
