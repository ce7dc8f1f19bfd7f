# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libtestservers.a
libtestservers_a_SOURCES = tests/lib/servers.c tests/lib/servers.h

check_PROGRAMS += test-lib-servers
test_lib_servers_SOURCES = tests/lib/test_servers.c
test_lib_servers_LDADD = libtestservers.a $(LIBS_BASE) $(CMOCKA_LIBS)
