# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libtestscript.a
libtestscript_a_SOURCES = tests/workers/scenes.c tests/workers/scenes.h tests/workers/script.c tests/workers/script.h \
	tests/workers/script_access.c
LIBS_WORKERS = libworkers.a libmodel.a libsql.a libkeeper.a $(LIBS_BASE)

check_PROGRAMS += test-workers-tables
test_workers_tables_SOURCES = tests/workers/test_tables.c
test_workers_tables_LDADD = libtestscript.a $(LIBS_WORKERS) $(CMOCKA_LIBS)

check_PROGRAMS += test-workers-access
test_workers_access_SOURCES = tests/workers/test_access.c
test_workers_access_LDADD = libtestscript.a $(LIBS_WORKERS) $(CMOCKA_LIBS)

check_PROGRAMS += test-workers-crash
test_workers_crash_SOURCES = tests/workers/test_crash.c
test_workers_crash_LDADD = libtestscript.a $(LIBS_WORKERS) $(CMOCKA_LIBS)

check_PROGRAMS += test-workers-knobs
test_workers_knobs_SOURCES = tests/workers/test_knobs.c
test_workers_knobs_LDADD = libtestscript.a $(LIBS_WORKERS) $(CMOCKA_LIBS)

EXTRA_PROGRAMS += test-workers-real
SLOW_TESTS += test-workers-real
test_workers_real_SOURCES = tests/workers/test_real.c
test_workers_real_LDADD = libtestservers.a libtestworld.a $(LIBS_WORKERS) $(ZK_LIBS) $(CMOCKA_LIBS)

# For tests/slow/modern_copy.sh
EXTRA_PROGRAMS += modern-copy
SLOW_HELPERS += modern-copy
modern_copy_SOURCES = tests/workers/modern_copy.c
modern_copy_LDADD = libtestworld.a $(LIBS_WORKERS) $(ZK_LIBS)
EXTRA_DIST += tests/slow/modern_copy.py tests/slow/modern_copy.sh
