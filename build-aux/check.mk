# SPDX-License-Identifier: Apache-2.0
# What ./check asks the makefile for. The names are those of the variables.
check-programs: all
	@$(MAKE) --no-print-directory $(AM_MAKEFLAGS) $(check_PROGRAMS) $(SLOW_TESTS) $(SLOW_HELPERS)
print-unit-tests:
	@for t in $(check_PROGRAMS); do echo $$t; done
print-slow-tests:
	@for t in $(SLOW_TESTS); do echo $$t; done
print-no-valgrind:
	@for t in $(NO_VALGRIND); do echo $$t; done
print-headerflags:
	@echo $(SQLITE_CFLAGS) $(CURL_CFLAGS) $(YAML_CFLAGS) $(EVENT_CFLAGS) $(CJSON_CFLAGS) $(XML_CFLAGS) $(SSL_CFLAGS) \
		-D_GNU_SOURCE
.PHONY: check-programs print-unit-tests print-slow-tests print-no-valgrind print-headerflags
