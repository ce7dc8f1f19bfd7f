# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += test-plane-shim
test_plane_shim_SOURCES = tests/plane/test_shim.c
test_plane_shim_LDADD = libplanenode.a $(LIBS_BASE) $(CMOCKA_LIBS)

check_PROGRAMS += test-plane-programs
test_plane_programs_SOURCES = tests/plane/test_programs.c
test_plane_programs_LDADD = libplanenode.a libschema.a $(XML_LIBS) $(YAML_LIBS) $(LIBS_BASE) $(CMOCKA_LIBS)

LIBS_PLANE_TEST = libplanenode.a libplane.a $(LIBS_SCHEMA) $(XML_LIBS) $(ZLIB_LIBS) $(SQLITE_LIBS)
check_PROGRAMS += test-plane-node
test_plane_node_SOURCES = tests/plane/test_node.c tests/plane/rig.c tests/plane/rig.h
test_plane_node_LDADD = $(LIBS_PLANE_TEST) $(CMOCKA_LIBS)

# waits for retries of the balancer
EXTRA_PROGRAMS += test-plane-balancer
SLOW_TESTS += test-plane-balancer
test_plane_balancer_SOURCES = tests/plane/test_balancer.c tests/plane/rig.c tests/plane/rig.h
test_plane_balancer_LDADD = $(LIBS_PLANE_TEST) $(CMOCKA_LIBS)

check_PROGRAMS += test-plane-lb
test_plane_lb_SOURCES = tests/plane/test_lb.c
test_plane_lb_LDADD = $(LIBS_PLANE_TEST) $(CMOCKA_LIBS)

# real servers: minutes
EXTRA_PROGRAMS += test-plane-servers
SLOW_TESTS += test-plane-servers
test_plane_servers_SOURCES = tests/plane/test_servers.c tests/plane/rig.c tests/plane/rig.h
test_plane_servers_LDADD = $(LIBS_PLANE_TEST) $(CMOCKA_LIBS)

check_PROGRAMS += test-plane-ctl
test_plane_ctl_SOURCES = tests/plane/test_ctl.c tests/sim/sim.c tests/sim/sim.h
test_plane_ctl_LDADD = $(LIBS_PLANE_TEST) $(CMOCKA_LIBS)
