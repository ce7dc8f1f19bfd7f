# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libkube.a
libkube_a_SOURCES = \
	kube/access.c \
	kube/auth.c \
	kube/candidates.c \
	kube/budget.c kube/budget.h \
	kube/event.c \
	kube/impl.h \
	kube/kinds.c kube/kinds.h \
	kube/kube.c kube/kube.h \
	kube/kubeconfig.c \
	kube/lease.c \
	kube/list.c \
	kube/request.c \
	kube/time.c \
	kube/watch.c \
	kube/yaml.c
