# SPDX-License-Identifier: Apache-2.0
LIBS_KUBE = libkube.a $(LIBS_BASE) $(YAML_LIBS)
check_PROGRAMS += test-kube-budget test-kube-config test-kube-lease test-kube-request test-kube-watch
test_kube_budget_SOURCES = tests/kube/test_budget.c
test_kube_budget_LDADD = $(LIBS_KUBE) $(CMOCKA_LIBS)
test_kube_request_SOURCES = tests/kube/test_request.c tests/kube/script.c tests/kube/script.h
test_kube_request_LDADD = $(LIBS_KUBE) $(CMOCKA_LIBS)
test_kube_watch_SOURCES = tests/kube/test_watch.c tests/kube/script.c tests/kube/script.h
test_kube_watch_LDADD = $(LIBS_KUBE) $(CMOCKA_LIBS)
test_kube_config_SOURCES = tests/kube/test_config.c tests/kube/script.c tests/kube/script.h
test_kube_config_LDADD = $(LIBS_KUBE) $(CMOCKA_LIBS)
test_kube_lease_SOURCES = tests/kube/test_lease.c tests/kube/script.c tests/kube/script.h
test_kube_lease_LDADD = $(LIBS_KUBE) $(CMOCKA_LIBS)
# Starts etcd and kube-apiserver where they are at hand, else says that it is skipped.
EXTRA_PROGRAMS += test-kube-apiserver
SLOW_TESTS += test-kube-apiserver
test_kube_apiserver_SOURCES = tests/kube/test_apiserver.c
test_kube_apiserver_LDADD = $(LIBS_KUBE) $(SSL_LIBS) $(CMOCKA_LIBS)
