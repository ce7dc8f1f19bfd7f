# SPDX-License-Identifier: Apache-2.0
EXTRA_PROGRAMS += test-sql-sql test-sql-statements
SLOW_TESTS += test-sql-sql test-sql-statements
test_sql_sql_SOURCES = tests/sql/test_sql.c
test_sql_sql_LDADD = libtestservers.a libtestworld.a libsql.a libkeeper.a $(LIBS_BASE) $(ZK_LIBS) $(CMOCKA_LIBS)
test_sql_statements_SOURCES = tests/sql/test_statements.c
test_sql_statements_LDADD = libtestservers.a libtestworld.a libsql.a libkeeper.a $(LIBS_BASE) $(ZK_LIBS) $(CMOCKA_LIBS)

EXTRA_PROGRAMS += print-statements
SLOW_HELPERS += print-statements
print_statements_SOURCES = tests/sql/print_statements.c
print_statements_LDADD = libsql.a $(LIBS_BASE)
