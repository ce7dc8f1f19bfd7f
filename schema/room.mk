# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libschema.a
libschema_a_SOURCES = \
	schema/check.c schema/check.h schema/check_internal.h \
	schema/check_free.c \
	schema/config_file.c schema/config_file.h \
	schema/crd.c schema/crd.h \
	schema/emit.c schema/emit.h \
	schema/example.c \
	schema/explain.c schema/explain.h \
	schema/fields.c schema/fields.h schema/fields_internal.h \
	schema/fields_chi.c \
	schema/fields_chk.c \
	schema/fields_chopconf.c \
	schema/fields_shared.c \
	schema/fields_status.c \
	schema/generated.c schema/generated.h \
	schema/kube_shapes.c \
	schema/problems.c \
	schema/prune.c \
	schema/reference.c \
	schema/rules.c schema/rules.h \
	schema/suggest.c \
	schema/words.c schema/words.h \
	schema/yaml.c schema/yaml.h schema/yaml_internal.h \
	schema/yaml_build.c \
	schema/yaml_json.c \
	schema/yaml_scalar.c
LIBS_SCHEMA = libschema.a $(YAML_LIBS) $(LIBS_BASE)

noinst_PROGRAMS += schema-gen
schema_gen_SOURCES = schema/schema_gen.c
schema_gen_LDADD = $(LIBS_SCHEMA)

# The committed files that are made from the field table. A test says when one lags.
schema-update: schema-gen
	./schema-gen $(srcdir)
	$(srcdir)/deploy/generate.sh
.PHONY: schema-update

EXTRA_DIST += \
	deploy/crds/clickhouseinstallations.clickhouse.altinity.com.yaml \
	deploy/crds/clickhouseinstallationtemplates.clickhouse.altinity.com.yaml \
	deploy/crds/clickhousekeeperinstallations.clickhouse-keeper.altinity.com.yaml \
	deploy/crds/clickhouseoperatorconfigurations.clickhouse.altinity.com.yaml \
	docs/reference/chi.md docs/reference/chit.md docs/reference/chk.md docs/reference/chopconf.md \
	examples/all-parameters-chi.yaml examples/all-parameters-chit.yaml \
	examples/all-parameters-chk.yaml examples/all-parameters-chopconf.yaml
