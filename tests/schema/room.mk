# SPDX-License-Identifier: Apache-2.0
SCHEMA_TESTS = test-schema-fields test-schema-yaml test-schema-check test-schema-fuzz test-schema-emit test-schema-crd \
	test-schema-docs test-schema-config-file
check_PROGRAMS += $(SCHEMA_TESTS)
SCHEMA_TEST_CPPFLAGS = $(AM_CPPFLAGS) -DSCHEMA_SRCDIR='"$(abs_srcdir)"'
SCHEMA_TEST_LIBS = $(LIBS_SCHEMA) $(CMOCKA_LIBS)
test_schema_fields_SOURCES = tests/schema/test_fields.c tests/schema/help.h
test_schema_fields_CPPFLAGS = $(SCHEMA_TEST_CPPFLAGS)
test_schema_fields_LDADD = $(SCHEMA_TEST_LIBS)
test_schema_yaml_SOURCES = tests/schema/test_yaml.c tests/schema/help.h
test_schema_yaml_CPPFLAGS = $(SCHEMA_TEST_CPPFLAGS)
test_schema_yaml_LDADD = $(SCHEMA_TEST_LIBS)
test_schema_check_SOURCES = tests/schema/test_check.c tests/schema/help.h
test_schema_check_CPPFLAGS = $(SCHEMA_TEST_CPPFLAGS)
test_schema_check_LDADD = $(SCHEMA_TEST_LIBS)
test_schema_fuzz_SOURCES = tests/schema/test_fuzz.c tests/schema/help.h
test_schema_fuzz_CPPFLAGS = $(SCHEMA_TEST_CPPFLAGS)
test_schema_fuzz_LDADD = $(SCHEMA_TEST_LIBS)
test_schema_emit_SOURCES = tests/schema/test_emit.c tests/schema/help.h
test_schema_emit_CPPFLAGS = $(SCHEMA_TEST_CPPFLAGS)
test_schema_emit_LDADD = $(SCHEMA_TEST_LIBS)
test_schema_crd_SOURCES = tests/schema/test_crd.c tests/schema/help.h
test_schema_crd_CPPFLAGS = $(SCHEMA_TEST_CPPFLAGS)
test_schema_crd_LDADD = $(SCHEMA_TEST_LIBS)
test_schema_docs_SOURCES = tests/schema/test_docs.c tests/schema/help.h
test_schema_docs_CPPFLAGS = $(SCHEMA_TEST_CPPFLAGS)
test_schema_docs_LDADD = $(SCHEMA_TEST_LIBS)
test_schema_config_file_SOURCES = tests/schema/test_config_file.c
test_schema_config_file_LDADD = $(SCHEMA_TEST_LIBS)
EXTRA_DIST += tests/schema/paths-chi.txt tests/schema/paths-chk.txt tests/schema/paths-chopconf.txt
