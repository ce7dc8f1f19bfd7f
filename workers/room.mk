# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libworkers.a
libworkers_a_SOURCES = \
	workers/access_copy.c workers/access_copy.h \
	workers/ask.c \
	workers/data_elsewhere.c \
	workers/course.c \
	workers/databases.c \
	workers/driver.c workers/driver.h \
	workers/entries.c \
	workers/fence.c \
	workers/protocol.h \
	workers/rows.c \
	workers/schema_read.c workers/schema_read.h \
	workers/schema_set.c workers/schema_set.h \
	workers/step_after.c \
	workers/step_attach.c \
	workers/step_catchup.c \
	workers/step_common.c \
	workers/step_hooks.c \
	workers/step_keeper.c \
	workers/step_member.c \
	workers/step_membership.c \
	workers/step_objects.c \
	workers/step_process.c \
	workers/step_remove.c workers/step_remove.h \
	workers/step_schema.c \
	workers/task.c workers/task.h \
	workers/turns.c \
	workers/worker.c workers/worker.h
