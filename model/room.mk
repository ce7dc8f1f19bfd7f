# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libmodel.a
libmodel_a_SOURCES = \
	model/config.c model/config.h \
	model/facts.c model/facts.h \
	model/fleet.c model/fleet.h model/fleet_build.h \
	model/layout.c \
	model/merge.c \
	model/names.c \
	model/hosts.c \
	model/knobs.c model/knobs.h \
	model/others.c model/others.h \
	model/plan.c model/plan.h \
	model/plan_print.c \
	model/quantity.c model/quantity.h \
	model/settings.c model/settings.h \
	model/settings_load.c \
	model/spaces.c model/spaces.h \
	model/steps.c model/steps.h \
	model/version.c model/version.h \
	model/zookeeper.c
LIBS_MODEL = libmodel.a $(LIBS_BASE)
