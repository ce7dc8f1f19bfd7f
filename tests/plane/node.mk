# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += test-plane-shim
test_plane_shim_SOURCES = tests/plane/test_shim.c
test_plane_shim_LDADD = libplanenode.a $(LIBS_BASE) $(CMOCKA_LIBS)

check_PROGRAMS += test-plane-programs
test_plane_programs_SOURCES = tests/plane/test_programs.c
test_plane_programs_LDADD = libplanenode.a libschema.a $(XML_LIBS) $(YAML_LIBS) $(LIBS_BASE) $(CMOCKA_LIBS)
