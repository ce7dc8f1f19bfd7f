/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step tables as data. Workers bind a probe and an act (and sometimes an undo) to each name; the one driver runs
 * all tables; `chfleet explain TABLE`, the manual and the crash matrix read them from here. Names are journalled:
 * append only, never rename.
 */
#ifndef MODEL_STEPS_H
#define MODEL_STEPS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/* Which permit a step needs before its act (governor.h). */
enum step_class {
    CLASS_NONE,    /* harmless or preparing */
    CLASS_PLANNED, /* takes a serving host out: needs the availability permit */
    CLASS_DOWN,    /* a host that does not serve: no availability permit */
    CLASS_RECOVER, /* recovery, rollback, join: no budget, no window */
    CLASS_OWNER,   /* stop, delete, removal by the owner's word: consent where data would be gone */
    CLASS_KEEPER,  /* Keeper member: quorum of synced members stays */
};
const char *step_class_name(enum step_class c);

/* Guards: checked fresh, after the begun record is durable, right before the act. Bits. */
enum step_guard {
    GUARD_PEER_SERVES =
        1, /* another replica of the shard answers, is not read-only, is not behind, and is in the balancer */
    GUARD_IDENTITY = 2,       /* the process is still the one of the baseline */
    GUARD_OUT = 4,            /* the host is out of balancer and remote_servers */
    GUARD_DATA_ELSEWHERE = 8, /* what the host holds is proven to be on another host, or consent says it may go */
    GUARD_QUORUM = 16,
};

struct step {
    const char *name;
    const char *what; /* one line for people */
    enum step_class klass;
    unsigned guards;
    unsigned limit_s; /* deadline of one attempt */
    unsigned tries;
    bool interruptible; /* a wait that a new generation may end at once */
    bool has_undo;
    bool ahead; /* done for each host of the task before any goes on, so that their servers start side by side */
};

struct step_table {
    const char *name;
    const char *what;
    bool per_host; /* steps run once per host of the task, host after host; else once per task */
    const struct step *steps;
    size_t n_steps;
};

/* Tables: one for each action that touches a host (create, reload, soft-restart, restart, recreate, remove, resize,
 * rebuild, stop, start, join), plus prepare, finish, membership, keeper-*. */
const struct step_table *steps_table(const char *name); /* NULL */
const struct step_table *steps_at(size_t i);            /* NULL after the last */
void steps_print(const struct step_table *t, struct str *out);

#endif
