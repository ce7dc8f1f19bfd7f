# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += test-base-json test-base-world test-base-workers test-base-http
NO_VALGRIND += test-base-workers test-base-world
check_PROGRAMS += test-base-index
test_base_index_SOURCES = tests/base/test_index.c
test_base_index_LDADD = $(LIBS_BASE) $(CMOCKA_LIBS)
test_base_json_SOURCES = tests/base/test_json.c
test_base_json_LDADD = $(LIBS_BASE) $(CMOCKA_LIBS)
test_base_world_SOURCES = tests/base/test_world.c
test_base_world_LDADD = $(LIBS_BASE) $(CMOCKA_LIBS)
test_base_workers_SOURCES = tests/base/test_workers.c
test_base_workers_LDADD = $(LIBS_BASE) $(CMOCKA_LIBS)
test_base_http_SOURCES = tests/base/test_http.c
test_base_http_LDADD = $(LIBS_BASE) $(EVENTSSL_LIBS) $(SSL_LIBS) $(CMOCKA_LIBS)
check_PROGRAMS += test-base-prom
test_base_prom_SOURCES = tests/base/test_prom.c
test_base_prom_LDADD = $(LIBS_BASE) $(CMOCKA_LIBS)
