# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libsupervisor.a
libsupervisor_a_SOURCES = \
	supervisor/access.c \
	supervisor/apply.c supervisor/apply.h supervisor/apply_anew.c supervisor/apply_queue.c supervisor/apply_want.c \
	supervisor/batch.c \
	supervisor/command.c \
	supervisor/config.c \
	supervisor/desired.c \
	supervisor/endpoints.c \
	supervisor/governor.c \
	supervisor/hostfacts.c \
	supervisor/http.c \
	supervisor/inst.c \
	supervisor/internal.h \
	supervisor/knobs.c \
	supervisor/link.c supervisor/link.h \
	supervisor/look.c \
	supervisor/member.c \
	supervisor/metrics.c \
	supervisor/program.c supervisor/program.h \
	supervisor/op.c \
	supervisor/previous.c \
	supervisor/others.c \
	supervisor/records.c supervisor/recover.c \
	supervisor/settings.c \
	supervisor/nudge.c \
	supervisor/status.c \
	supervisor/tell.c \
	supervisor/super.c supervisor/super.h \
	supervisor/tasktext.c \
	supervisor/window.c supervisor/window.h \
	supervisor/wproc.c
nodist_libsupervisor_a_SOURCES = supervisor/page.inc
BUILT_SOURCES += supervisor/page.inc
CLEANFILES += supervisor/page.inc
EXTRA_DIST += supervisor/page.awk supervisor/page.html
supervisor/http.o: supervisor/page.inc
supervisor/page.inc: supervisor/page.awk supervisor/page.html
	$(AM_V_GEN)$(MKDIR_P) supervisor && LC_ALL=C $(AWK) -f $(srcdir)/supervisor/page.awk $(srcdir)/supervisor/page.html > $@.new && \
	mv $@.new $@

bin_PROGRAMS += chfleetd
chfleetd_SOURCES = supervisor/main.c
chfleetd_LDADD = libsupervisor.a libworkers.a librender.a libmodel.a libjournal.a libkube.a libsql.a libkeeper.a libschema.a \
	$(LIBS_BASE) $(YAML_LIBS) $(SQLITE_LIBS) $(XML_LIBS) $(ZK_LIBS) -lpthread
