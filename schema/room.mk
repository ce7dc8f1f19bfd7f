# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libschema.a
libschema_a_SOURCES = \
	schema/check.c schema/check.h schema/check_internal.h \
	schema/check_free.c \
	schema/fields.c schema/fields.h schema/fields_internal.h \
	schema/fields_chi.c \
	schema/fields_chk.c \
	schema/fields_chopconf.c \
	schema/fields_shared.c \
	schema/fields_status.c \
	schema/kube_shapes.c \
	schema/problems.c \
	schema/prune.c \
	schema/suggest.c \
	schema/yaml.c schema/yaml.h schema/yaml_internal.h \
	schema/yaml_build.c \
	schema/yaml_json.c \
	schema/yaml_scalar.c
LIBS_SCHEMA = libschema.a $(YAML_LIBS) $(LIBS_BASE)
