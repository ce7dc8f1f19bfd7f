# SPDX-License-Identifier: Apache-2.0
JOURNAL_TEST_KIT = tests/journal/kit.c tests/journal/kit.h
JOURNAL_TEST_LIBS = $(LIBS_JOURNAL) $(LIBS_BASE) $(CMOCKA_LIBS)

check_PROGRAMS += test-journal-records
test_journal_records_SOURCES = tests/journal/test_records.c $(JOURNAL_TEST_KIT)
test_journal_records_LDADD = $(JOURNAL_TEST_LIBS)

check_PROGRAMS += test-journal-writer
test_journal_writer_SOURCES = tests/journal/test_writer.c $(JOURNAL_TEST_KIT)
test_journal_writer_LDADD = $(JOURNAL_TEST_LIBS)
