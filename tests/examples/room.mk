# SPDX-License-Identifier: Apache-2.0
# The manifests of examples/: checked, rendered, and given to a real API server by tests/deploy/examples.sh.
noinst_LIBRARIES += libtestexamples.a
libtestexamples_a_SOURCES = tests/examples/lib.c tests/examples/lib.h
LIBS_TEST_EXAMPLES = libtestexamples.a libtestmodel.a libschema.a $(LIBS_RENDER) $(YAML_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += test-examples
test_examples_SOURCES = tests/examples/test_examples.c tests/examples/objects.c tests/examples/objects.h \
	tests/examples/golden.inc
test_examples_LDADD = $(LIBS_TEST_EXAMPLES)

EXTRA_DIST += tests/examples/golden tests/examples/cases
