# SPDX-License-Identifier: Apache-2.0
noinst_PROGRAMS += corral
corral_SOURCES = tests/harness/corral.c
