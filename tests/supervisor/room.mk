# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += test-supervisor-window
test_supervisor_window_SOURCES = tests/supervisor/test_window.c
test_supervisor_window_LDADD = libsupervisor.a $(LIBS_BASE) $(CMOCKA_LIBS)


check_PROGRAMS += test-supervisor-knobs
test_supervisor_knobs_SOURCES = tests/supervisor/test_knobs.c
test_supervisor_knobs_LDADD = libsupervisor.a libworkers.a librender.a libmodel.a libjournal.a libkube.a libsql.a libkeeper.a libschema.a \
	$(LIBS_BASE) $(YAML_LIBS) $(SQLITE_LIBS) $(XML_LIBS) $(ZK_LIBS) $(CMOCKA_LIBS) -lpthread

check_PROGRAMS += test-supervisor-endpoints
test_supervisor_endpoints_SOURCES = tests/supervisor/test_endpoints.c
test_supervisor_endpoints_LDADD = libsupervisor.a $(LIBS_BASE) $(CMOCKA_LIBS)
