# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += test-supervisor-window
test_supervisor_window_SOURCES = tests/supervisor/test_window.c
test_supervisor_window_LDADD = libsupervisor.a $(LIBS_BASE) $(CMOCKA_LIBS)

