# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += test-render-compare
test_render_compare_SOURCES = tests/render/test_compare.c
test_render_compare_LDADD = $(LIBS_RENDER) $(CMOCKA_LIBS)

check_PROGRAMS += test-render-config
test_render_config_SOURCES = tests/render/test_config.c
test_render_config_LDADD = libtestmodel.a $(LIBS_RENDER) $(CMOCKA_LIBS)

check_PROGRAMS += test-render-claims
test_render_claims_SOURCES = tests/render/test_claims.c
test_render_claims_LDADD = $(LIBS_RENDER) $(CMOCKA_LIBS)
