# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libtestservers.a
libtestservers_a_SOURCES = tests/lib/servers.c tests/lib/servers.h

EXTRA_PROGRAMS += test-lib-servers
SLOW_TESTS += test-lib-servers
test_lib_servers_SOURCES = tests/lib/test_servers.c
test_lib_servers_LDADD = libtestservers.a $(LIBS_BASE) $(CMOCKA_LIBS)

noinst_LIBRARIES += libtestworld.a
libtestworld_a_SOURCES = tests/lib/networld.c tests/lib/networld.h
