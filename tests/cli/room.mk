# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += test-cli-merge test-cli-out test-cli-redact
test_cli_merge_SOURCES = tests/cli/test_merge.c
test_cli_merge_LDADD = libcli.a $(LIBS_BASE) $(CMOCKA_LIBS)
test_cli_out_SOURCES = tests/cli/test_out.c
test_cli_out_LDADD = libcli.a libschema.a $(LIBS_BASE) $(YAML_LIBS) $(CMOCKA_LIBS)
test_cli_redact_SOURCES = tests/cli/test_redact.c
test_cli_redact_LDADD = libcli.a $(LIBS_BASE) $(CMOCKA_LIBS)
check_PROGRAMS += test-cli-daemon test-cli-options test-cli-websock
# valgrind does not know pidfds
NO_VALGRIND += test-cli-daemon
test_cli_daemon_SOURCES = tests/cli/test_daemon.c
test_cli_daemon_LDADD = libcli.a $(LIBS_BASE) $(CMOCKA_LIBS)
test_cli_options_SOURCES = tests/cli/test_options.c
test_cli_options_LDADD = $(LIBS_CLI) $(CMOCKA_LIBS)
test_cli_websock_SOURCES = tests/cli/test_websock.c
test_cli_websock_LDADD = libcli.a $(LIBS_BASE) $(CMOCKA_LIBS)
check_PROGRAMS += test-cli-status
test_cli_status_SOURCES = tests/cli/test_status.c
test_cli_status_LDADD = $(LIBS_CLI) $(CMOCKA_LIBS)
EXTRA_DIST += tests/slow/cli.sh
