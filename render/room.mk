# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += librender.a
librender_a_SOURCES = \
	render/affinity.c \
	render/apidefaults.c render/apidefaults.h \
	render/claims.c render/claims.h \
	render/compare.c render/compare.h \
	render/configmaps.c \
	render/defaults.c \
	render/facts.c render/facts_host.c render/facts_internal.h \
	render/filediff.c \
	render/files.c \
	render/internal.h \
	render/meta.c \
	render/pod.c \
	render/remote.c \
	render/render.h \
	render/restart.c \
	render/services.c \
	render/shared.c \
	render/statefulset.c \
	render/users.c \
	render/xml.c render/xml.h \
	render/xmldiff.c render/xmldiff.h
LIBS_RENDER = librender.a $(LIBS_MODEL) $(XML_LIBS)
