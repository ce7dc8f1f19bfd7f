# SPDX-License-Identifier: Apache-2.0
EXTRA_PROGRAMS += plane-apiserver
plane_apiserver_SOURCES = tests/plane/apiserver.c
plane_apiserver_LDADD = libplane.a $(LIBS_PLANE)
