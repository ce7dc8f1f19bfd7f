# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libsupervisor.a
libsupervisor_a_SOURCES = \
	supervisor/apply.c \
	supervisor/desired.c \
	supervisor/governor.c \
	supervisor/hostfacts.c \
	supervisor/http.c \
	supervisor/inst.c \
	supervisor/internal.h \
	supervisor/link.c \
	supervisor/member.c \
	supervisor/status.c \
	supervisor/super.c supervisor/super.h \
	supervisor/window.c supervisor/window.h
