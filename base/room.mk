# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = \
	base/addr.c base/addr.h \
	base/err.c base/err.h \
	base/frame.c base/frame.h \
	base/hash.c base/hash.h \
	base/index.c base/index.h \
	base/json.c base/json_keep.c base/json.h \
	base/log.c base/log.h \
	base/mem.c base/mem.h \
	base/program.c base/program.h \
	base/prom.c base/prom.h \
	base/serve.c base/serve.h \
	base/str.c base/str.h \
	base/world.h base/world_real.h base/world_impl.h base/world_real.c \
	base/world_chan.c base/world_http.c base/world_proc.c base/world_run.c base/world_spawner.c base/world_tcp.c
