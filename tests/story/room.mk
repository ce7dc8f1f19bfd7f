# SPDX-License-Identifier: Apache-2.0
EXTRA_PROGRAMS += story-load story-observer
SLOW_HELPERS += story-load story-observer
story_load_SOURCES = tests/story/load.c
story_load_LDADD = $(LIBS_BASE) -lpthread
story_observer_SOURCES = tests/story/observer.c
story_observer_LDADD = $(LIBS_BASE)
EXTRA_DIST += tests/story/_lib.sh tests/story/_fleet.sh tests/story/01-life.sh tests/story/02-upgrade.sh tests/story/03-death.sh tests/story/04-hosts.sh tests/story/05-examples.sh tests/story/06-storage.sh
