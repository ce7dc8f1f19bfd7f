# SPDX-License-Identifier: Apache-2.0
JOURNAL_TEST_KIT = tests/journal/kit.c tests/journal/kit.h
JOURNAL_TEST_LIBS = $(LIBS_JOURNAL) $(LIBS_BASE) $(CMOCKA_LIBS)

check_PROGRAMS += test-journal-records
test_journal_records_SOURCES = tests/journal/test_records.c $(JOURNAL_TEST_KIT)
test_journal_records_LDADD = $(JOURNAL_TEST_LIBS)

check_PROGRAMS += test-journal-writer
test_journal_writer_SOURCES = tests/journal/test_writer.c $(JOURNAL_TEST_KIT)
test_journal_writer_LDADD = $(JOURNAL_TEST_LIBS)

check_PROGRAMS += test-journal-store
test_journal_store_SOURCES = tests/journal/test_store.c $(JOURNAL_TEST_KIT)
test_journal_store_LDADD = $(JOURNAL_TEST_LIBS)

# Thousands of commits: minutes under valgrind; the sanitizers see them.
NO_VALGRIND += test-journal-crash
check_PROGRAMS += test-journal-crash
test_journal_crash_SOURCES = tests/journal/test_crash.c tests/journal/lossy_vfs.c tests/journal/lossy_vfs.h $(JOURNAL_TEST_KIT)
test_journal_crash_LDADD = $(JOURNAL_TEST_LIBS)

check_PROGRAMS += test-journal-full
test_journal_full_SOURCES = tests/journal/test_full.c tests/journal/lossy_vfs.c tests/journal/lossy_vfs.h $(JOURNAL_TEST_KIT)
test_journal_full_LDADD = $(JOURNAL_TEST_LIBS)
test_journal_full_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=statvfs

check_PROGRAMS += test-journal-pack
test_journal_pack_SOURCES = tests/journal/test_pack.c $(JOURNAL_TEST_KIT)
test_journal_pack_LDADD = $(JOURNAL_TEST_LIBS)
