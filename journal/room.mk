# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libjournal.a
libjournal_a_SOURCES = \
	journal/apply.c \
	journal/archive.c journal/archive.h \
	journal/db.c journal/db.h \
	journal/files.c journal/files.h \
	journal/internal.h \
	journal/journal.c journal/journal.h \
	journal/pack.c journal/pack.h \
	journal/pack_form.c journal/pack_form.h \
	journal/reader.c \
	journal/recover.c \
	journal/store.c journal/store.h \
	journal/unpack.c \
	journal/writer.c
nodist_libjournal_a_SOURCES = journal/sql_text.h
LIBS_JOURNAL = libjournal.a $(SQLITE_LIBS) -lpthread

# statements.sql first, then the versions in order.
JOURNAL_SQL = \
	$(srcdir)/journal/statements.sql \
	$(srcdir)/journal/schema-1.sql
BUILT_SOURCES += journal/sql_text.h
CLEANFILES += journal/sql_text.h
EXTRA_DIST += journal/embed.awk $(JOURNAL_SQL)

# BUILT_SOURCES covers all and check; this is for one target alone.
$(libjournal_a_OBJECTS): journal/sql_text.h

journal/sql_text.h: $(srcdir)/journal/embed.awk $(JOURNAL_SQL)
	$(AM_V_GEN)$(MKDIR_P) journal && $(AWK) -f $(srcdir)/journal/embed.awk $(JOURNAL_SQL) > $@.new && mv $@.new $@

noinst_PROGRAMS += bench-journal
bench_journal_SOURCES = bench/bench_journal.c
bench_journal_CFLAGS = $(AM_CFLAGS) -O2
bench_journal_LDADD = $(LIBS_JOURNAL) $(LIBS_BASE)
