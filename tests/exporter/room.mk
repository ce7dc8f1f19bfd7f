# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += test-exporter-samples test-exporter-scrape test-exporter-targets
test_exporter_samples_SOURCES = tests/exporter/test_samples.c
test_exporter_samples_LDADD = libexporter.a $(LIBS_BASE) $(CMOCKA_LIBS)
test_exporter_scrape_SOURCES = tests/exporter/test_scrape.c tests/exporter/fakeworld.c tests/exporter/fakeworld.h
test_exporter_scrape_LDADD = $(LIBS_EXPORTER) $(CMOCKA_LIBS)
test_exporter_targets_SOURCES = tests/exporter/test_targets.c
test_exporter_targets_LDADD = $(LIBS_EXPORTER) $(CMOCKA_LIBS)

EXTRA_PROGRAMS += fake-fleet
SLOW_HELPERS += fake-fleet
fake_fleet_SOURCES = tests/exporter/fake_fleet.c
fake_fleet_LDADD = $(LIBS_BASE)
EXTRA_DIST += tests/slow/exporter.sh tests/slow/exporter-large.sh
