# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libexporter.a
libexporter_a_SOURCES = \
	exporter/ask.c exporter/ask.h \
	exporter/front.c exporter/front.h \
	exporter/leader.c exporter/leader.h \
	exporter/own.c exporter/own.h \
	exporter/page.c exporter/page.h \
	exporter/program.c exporter/program.h \
	exporter/samples.c exporter/samples.h \
	exporter/scrape.c exporter/scrape.h \
	exporter/target.c exporter/target.h \
	exporter/targets.c exporter/targets.h

LIBS_EXPORTER = libexporter.a libmodel.a libkube.a libsql.a libschema.a $(LIBS_BASE) $(YAML_LIBS) $(ZLIB_LIBS)

bin_PROGRAMS += chfleet-exporter
chfleet_exporter_SOURCES = exporter/main.c
chfleet_exporter_LDADD = $(LIBS_EXPORTER)
