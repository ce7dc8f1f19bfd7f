# SPDX-License-Identifier: Apache-2.0
# One list of facts for the plane and for kube-apiserver: conform.h. tests/slow/conformance.sh and tests/k8s/10-conformance.sh run it.
EXTRA_PROGRAMS += conformance
SLOW_HELPERS += conformance
conformance_SOURCES = tests/conform/main.c tests/conform/conform.h tests/conform/expect.c tests/conform/wire.c
EXTRA_DIST += tests/slow/conformance.sh tests/conform/facts.sh tests/conform/kubectl.sh tests/conform/pods.sh tests/conform/facts
conformance_LDADD = libkube.a $(LIBS_SCHEMA)
