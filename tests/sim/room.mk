# SPDX-License-Identifier: Apache-2.0
# The simulation: models, the real supervisor and workers, scenarios, crash matrix.
check_LIBRARIES += libsim.a
libsim_a_SOURCES = \
	tests/journal/lossy_vfs.c tests/journal/lossy_vfs.h \
	tests/sim/balancer.c \
	tests/sim/cells.c tests/sim/cells.h \
	tests/sim/hosts.c tests/sim/hosts.h tests/sim/hosts_impl.h \
	tests/sim/hosts_config.c \
	tests/sim/hosts_sql.c \
	tests/sim/hosts_tables.c \
	tests/sim/kubelet.c tests/sim/kubelet.h tests/sim/kubelet_impl.h \
	tests/sim/lab.c tests/sim/lab.h \
	tests/sim/load.c tests/sim/load.h \
	tests/sim/observer.c tests/sim/observer.h \
	tests/sim/podspec.c tests/sim/podspec.h \
	tests/sim/scenario.c tests/sim/scenario.h \
	tests/sim/scenarios.c \
	tests/sim/scenarios_keeper.c \
	tests/sim/scenarios_more.c \
	tests/sim/sim.c tests/sim/sim.h \
	tests/sim/simlog.c
SIM_LIBS = libsim.a libsupervisor.a libworkers.a librender.a libplanenode.a libplane.a libmodel.a libschema.a libkube.a libjournal.a libsql.a libkeeper.a \
	$(LIBS_BASE) $(SQLITE_LIBS) $(YAML_LIBS) $(XML_LIBS) $(ZK_LIBS) $(EVENTSSL_LIBS) $(ZLIB_LIBS) $(SSL_LIBS) $(CMOCKA_LIBS) -lpthread

# Minutes of one core, and processes that die with their memory: once in ./check, without sanitizers.
EXTRA_PROGRAMS += test-sim-models test-sim-observer test-sim-scenarios test-sim-crash test-sim-knobs test-sim-fences
SLOW_TESTS += test-sim-models test-sim-observer test-sim-scenarios test-sim-crash test-sim-knobs test-sim-fences
test_sim_models_SOURCES = tests/sim/test_models.c
test_sim_models_LDADD = $(SIM_LIBS)
test_sim_observer_SOURCES = tests/sim/test_observer.c
test_sim_observer_LDADD = $(SIM_LIBS)
test_sim_scenarios_SOURCES = tests/sim/test_scenarios.c
test_sim_scenarios_LDADD = $(SIM_LIBS)
test_sim_crash_SOURCES = tests/sim/test_crash.c
test_sim_crash_LDADD = $(SIM_LIBS)
test_sim_knobs_SOURCES = tests/sim/test_knobs.c
test_sim_knobs_LDADD = $(SIM_LIBS)
test_sim_fences_SOURCES = tests/sim/test_fences.c
test_sim_fences_LDADD = $(SIM_LIBS)
