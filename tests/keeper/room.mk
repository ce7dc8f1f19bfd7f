# SPDX-License-Identifier: Apache-2.0
EXTRA_PROGRAMS += test-keeper-zk test-keeper-words
SLOW_TESTS += test-keeper-zk test-keeper-words
test_keeper_zk_SOURCES = tests/keeper/test_zk.c
test_keeper_zk_LDADD = libtestservers.a libtestworld.a libkeeper.a $(LIBS_BASE) $(ZK_LIBS) $(CMOCKA_LIBS)
test_keeper_words_SOURCES = tests/keeper/test_words.c
test_keeper_words_LDADD = libtestservers.a libkeeper.a $(LIBS_BASE) $(CMOCKA_LIBS)
