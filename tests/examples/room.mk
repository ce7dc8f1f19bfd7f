# SPDX-License-Identifier: Apache-2.0
# The manifests of examples/: checked, rendered, and given to a real API server by tests/deploy/examples.sh.
noinst_LIBRARIES += libtestexamples.a
libtestexamples_a_SOURCES = tests/examples/lib.c tests/examples/lib.h
LIBS_TEST_EXAMPLES = libtestexamples.a libtestmodel.a libschema.a $(LIBS_RENDER) $(YAML_LIBS) $(CMOCKA_LIBS)

check_PROGRAMS += test-examples
test_examples_SOURCES = tests/examples/test_examples.c tests/examples/objects.c tests/examples/objects.h \
	tests/examples/golden.inc
test_examples_LDADD = $(LIBS_TEST_EXAMPLES)

check_PROGRAMS += test-examples-coverage
test_examples_coverage_SOURCES = tests/examples/test_coverage.c
test_examples_coverage_LDADD = $(LIBS_TEST_EXAMPLES)

EXTRA_DIST += tests/examples/golden tests/examples/cases tests/examples/unused.txt

# Prints what is made of examples, for tests/k8s/examples.sh.
EXTRA_PROGRAMS += example-objects
SLOW_HELPERS += example-objects
example_objects_SOURCES = tests/examples/example_objects.c
example_objects_LDADD = $(LIBS_TEST_EXAMPLES)
