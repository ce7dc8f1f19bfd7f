# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libkeeper.a
libkeeper_a_SOURCES = keeper/words.c keeper/zk.c keeper/keeper.h
