# SPDX-License-Identifier: Apache-2.0
# Helpers of tests/k8s/*.sh: hosts of simulated nodes, on the server models of the simulation.
EXTRA_PROGRAMS += k8s-hostsim
SLOW_HELPERS += k8s-hostsim
k8s_hostsim_SOURCES = tests/k8s/hostsim.c tests/k8s/hostsim.h tests/k8s/hostsim_impl.h tests/k8s/hostsim_dns.c tests/k8s/hostsim_http.c \
	tests/k8s/hostsim_keeper.c tests/k8s/hostsim_pods.c tests/k8s/hostsim_tls.c tests/k8s/hostsim_volumes.c tests/k8s/hostsim_watch.c tests/k8s/hostsim_world.c \
	tests/sim/hosts.c tests/sim/hosts_config.c tests/sim/hosts_sql.c tests/sim/hosts_tables.c tests/sim/podspec.c
k8s_hostsim_LDADD = libsql.a $(LIBS_KUBE) $(EVENTSSL_LIBS) $(SSL_LIBS)

# The entry point of the Keeper image of the real node.
EXTRA_PROGRAMS += k8s-keeper
SLOW_HELPERS += k8s-keeper
k8s_keeper_SOURCES = tests/k8s/keeper.c
k8s_keeper_LDADD = libplanenode.a $(XML_LIBS) $(LIBS_BASE)

# One a line, so that two people can add one at the same time.
EXTRA_DIST += \
	tests/k8s/01-create.sh \
	tests/k8s/02-change.sh \
	tests/k8s/03-leader.sh \
	tests/k8s/04-ends.sh \
	tests/k8s/05-proxy.sh \
	tests/k8s/06-scale.sh \
	tests/k8s/10-conformance.sh \
	tests/k8s/11-exporter.sh \
	tests/k8s/20-examples.sh \
	tests/k8s/40-takeover.sh \
	tests/k8s/41-operators.sh \
	tests/k8s/_hold.sh \
	tests/k8s/badproxy.py \
	tests/k8s/image/config.xml \
	tests/k8s/image/users.xml \
	tests/k8s/kwok.yaml \
	tests/k8s/lib.sh \
	tests/k8s/node-story.sh \
	tests/k8s/node.sh \
	tests/k8s/takeover.py \
	tests/k8s/tools.sh
