# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += test-plane-store test-plane-api test-plane-wire
test_plane_wire_SOURCES = tests/plane/test_wire.c tests/plane/mini.c tests/plane/mini.h
test_plane_wire_LDADD = libplane.a $(LIBS_PLANE) $(CMOCKA_LIBS)
test_plane_api_SOURCES = tests/plane/test_api.c tests/plane/mini.c tests/plane/mini.h
test_plane_api_LDADD = libplane.a $(LIBS_PLANE) $(CMOCKA_LIBS)
test_plane_store_SOURCES = tests/plane/test_store.c tests/plane/mini.c tests/plane/mini.h
test_plane_store_LDADD = libplane.a $(LIBS_PLANE) $(CMOCKA_LIBS)

EXTRA_PROGRAMS += plane-apiserver
SLOW_HELPERS += plane-apiserver
EXTRA_DIST += tests/slow/plane-kubectl.sh
plane_apiserver_SOURCES = tests/plane/apiserver.c
plane_apiserver_LDADD = libplane.a $(LIBS_PLANE)
