# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += test-base-json
test_base_json_SOURCES = tests/base/test_json.c
test_base_json_LDADD = $(LIBS_BASE) $(CMOCKA_LIBS)
