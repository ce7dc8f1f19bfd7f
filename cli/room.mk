# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libcli.a
libcli_a_SOURCES = \
	cli/api.c cli/api.h \
	cli/cli.h \
	cli/cmd_apply.c \
	cli/cmd_delete.c \
	cli/cmd_down.c \
	cli/cmd_exec.c \
	cli/cmd_logs.c \
	cli/target.c cli/target.h \
	cli/websock.c cli/websock.h \
	cli/cmd_dump.c \
	cli/cmd_explain.c \
	cli/cmd_get.c \
	cli/cmd_history.c \
	cli/cmd_hold.c \
	cli/cmd_kubeconfig.c \
	cli/cmd_plan.c \
	cli/cmd_status.c \
	cli/cmd_up.c \
	cli/cmd_version.c \
	cli/cmd_why.c \
	cli/columns.c cli/columns.h \
	cli/cmd_completion.c \
	cli/commands.c \
	cli/completion.c cli/completion.h \
	cli/connect.c cli/connect.h \
	cli/daemon.c cli/daemon.h \
	cli/guard.c cli/guard.h \
	cli/leader.c cli/leader.h \
	cli/letgo.c cli/letgo.h \
	cli/live.c cli/live.h \
	cli/manifest.c cli/manifest.h \
	cli/merge.c cli/merge.h \
	cli/node.c cli/node.h \
	cli/options.c \
	cli/out.c cli/out.h \
	cli/progress.c cli/progress.h \
	cli/records.c cli/records.h \
	cli/redact.c cli/redact.h \
	cli/shims.c cli/shims.h \
	cli/status.c cli/status.h \
	cli/tar.c cli/tar.h \
	cli/yaml_out.c

LIBS_CLI = libcli.a libkube.a libjournal.a librender.a libmodel.a libschema.a $(LIBS_BASE) $(YAML_LIBS) $(SQLITE_LIBS) $(XML_LIBS) -lpthread

bin_PROGRAMS += chfleet
chfleet_SOURCES = cli/main.c
chfleet_LDADD = $(LIBS_CLI)

# kubectl finds its plugins by name: kubectl chfleet …
install-exec-hook:
	cd $(DESTDIR)$(bindir) && rm -f kubectl-chfleet && $(LN_S) chfleet kubectl-chfleet
uninstall-hook:
	rm -f $(DESTDIR)$(bindir)/kubectl-chfleet $(DESTDIR)$(man1dir)/kubectl-chfleet.1
EXTRA_DIST += docs/hacking.md docs/operations.md examples/quickstart.yaml
