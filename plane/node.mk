# SPDX-License-Identifier: Apache-2.0
# The controllers, the node agent, the programs and the shim. The API server's half of this room is in room.mk.
bin_PROGRAMS += chfleet-shim
chfleet_shim_SOURCES = plane/shim_main.c plane/shim_run.c plane/shim_run.h plane/shim_await.c plane/shim_log.c plane/shim_serve.c \
	plane/shim_files.c plane/shim.h
chfleet_shim_LDADD = libbase.a

noinst_LIBRARIES += libplanenode.a
libplanenode_a_SOURCES = \
	plane/controllers.c plane/controllers.h plane/ctl.c plane/ctl.h \
	plane/ctl_pdb.c plane/ctl_pvc.c plane/ctl_sched.c plane/ctl_sts.c plane/ctl_svc.c \
	plane/ctl_volumes.c plane/ctl_volumes.h \
	plane/lb.c plane/lb.h plane/lb_conf.c plane/lb_conf.h \
	plane/node.c plane/node.h plane/node_priv.h plane/node_ctr.c plane/node_env.c plane/node_exec.c plane/node_hook.c \
	plane/node_link.c \
	plane/node_logs.c plane/node_pod.c plane/node_probe.c plane/node_runtime.c plane/node_runtime.h plane/node_status.c \
	plane/node_volumes.c plane/node_words.c \
	plane/ports.c plane/ports.h \
	plane/programs.c plane/programs.h \
	plane/programs_clickhouse.c \
	plane/programs_files.c \
	plane/programs_keeper.c \
	plane/programs_paths.c \
	plane/programs_run.c \
	plane/shim_files.c plane/shim_client.c plane/shim.h \
	plane/translate.c plane/translate_keeper.c plane/translate.h
nodist_libplanenode_a_SOURCES = plane/programs_default.h

dist_pkgdata_DATA += plane/programs.yaml
BUILT_SOURCES += plane/programs_default.h
CLEANFILES += plane/programs_default.h
plane/programs_default.h: $(srcdir)/plane/programs.yaml
	@$(MKDIR_P) plane
	$(AM_V_GEN){ echo '/* made from programs.yaml */'; echo 'static const char programs_default_text[] ='; \
	  $(SED) -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/    "/' -e 's/$$/\\n"/' $(srcdir)/plane/programs.yaml; \
	  echo ';'; } >$@.tmp && mv $@.tmp $@
