# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libtestmodel.a
libtestmodel_a_SOURCES = tests/model/cluster.c tests/model/cluster.h

check_PROGRAMS += test-model-takeover
test_model_takeover_SOURCES = tests/model/test_takeover.c
test_model_takeover_LDADD = libtestmodel.a $(LIBS_RENDER) $(CMOCKA_LIBS)
EXTRA_DIST += tests/takeover
