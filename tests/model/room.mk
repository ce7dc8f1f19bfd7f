# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libtestmodel.a
libtestmodel_a_SOURCES = tests/model/cluster.c tests/model/cluster.h

check_PROGRAMS += test-model-takeover
test_model_takeover_SOURCES = tests/model/test_takeover.c
test_model_takeover_LDADD = libtestmodel.a $(LIBS_RENDER) $(CMOCKA_LIBS)
EXTRA_DIST += tests/takeover

check_PROGRAMS += test-model-plan
test_model_plan_SOURCES = tests/model/test_plan.c
test_model_plan_LDADD = libtestmodel.a libschema.a $(LIBS_RENDER) $(YAML_LIBS) $(CMOCKA_LIBS)
EXTRA_DIST += tests/plan

# Starts real servers.
EXTRA_PROGRAMS += test-model-server
SLOW_TESTS += test-model-server
test_model_server_SOURCES = tests/model/test_server.c
test_model_server_LDADD = libtestmodel.a libtestservers.a $(LIBS_RENDER) $(CMOCKA_LIBS)

check_PROGRAMS += test-model-width
test_model_width_SOURCES = tests/model/test_width.c
test_model_width_LDADD = libtestmodel.a $(LIBS_RENDER) $(CMOCKA_LIBS)
NO_VALGRIND += test-model-width

check_PROGRAMS += test-model-values
test_model_values_SOURCES = tests/model/test_values.c
test_model_values_LDADD = $(LIBS_MODEL) $(CMOCKA_LIBS)

check_PROGRAMS += test-model-spaces
test_model_spaces_SOURCES = tests/model/test_spaces.c
test_model_spaces_LDADD = libmodel.a $(LIBS_BASE) $(CMOCKA_LIBS)

check_PROGRAMS += test-model-knobs
test_model_knobs_SOURCES = tests/model/test_knobs.c
test_model_knobs_LDADD = $(LIBS_MODEL) $(CMOCKA_LIBS)

check_PROGRAMS += test-model-others
test_model_others_SOURCES = tests/model/test_others.c
test_model_others_LDADD = $(LIBS_MODEL) $(CMOCKA_LIBS)
