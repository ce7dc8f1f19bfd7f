# SPDX-License-Identifier: Apache-2.0
noinst_LIBRARIES += libsql.a
libsql_a_SOURCES = sql/sql.c sql/sql.h sql/statements.c sql/statements.h
nodist_libsql_a_SOURCES = sql/statements.inc
BUILT_SOURCES += sql/statements.inc
CLEANFILES += sql/statements.inc
SQL_STATEMENTS = \
	sql/statements/access.sql \
	sql/statements/attach_table.sql \
	sql/statements/behind.sql \
	sql/statements/count_rows.sql \
	sql/statements/databases.sql \
	sql/statements/detach_table.sql \
	sql/statements/distributed_queue.sql \
	sql/statements/distributed_reach.sql \
	sql/statements/distributed_sending.sql \
	sql/statements/distributed_tables.sql \
	sql/statements/drop_database_replica.sql \
	sql/statements/drop_dns_cache.sql \
	sql/statements/drop_replica.sql \
	sql/statements/drop_table.sql \
	sql/statements/fence_kill.sql \
	sql/statements/fence_running.sql \
	sql/statements/flush_distributed.sql \
	sql/statements/functions.sql \
	sql/statements/identity.sql \
	sql/statements/keeper_alive.sql \
	sql/statements/kill_running.sql \
	sql/statements/macros.sql \
	sql/statements/metrics_detached.sql \
	sql/statements/metrics_disks.sql \
	sql/statements/metrics_mutations.sql \
	sql/statements/metrics_parts.sql \
	sql/statements/metrics_replicas.sql \
	sql/statements/metrics_values.sql \
	sql/statements/named_collections.sql \
	sql/statements/objects.sql \
	sql/statements/old_fetches.sql \
	sql/statements/on_disk.sql \
	sql/statements/parts.sql \
	sql/statements/plain_rows.sql \
	sql/statements/plain_tables.sql \
	sql/statements/reload_config.sql \
	sql/statements/replicas.sql \
	sql/statements/replicated_databases.sql \
	sql/statements/running.sql \
	sql/statements/show_access.sql \
	sql/statements/show_database_policy.sql \
	sql/statements/show_grants.sql \
	sql/statements/show_policy.sql \
	sql/statements/shutdown.sql \
	sql/statements/zk_children.sql
EXTRA_DIST += $(SQL_STATEMENTS) sql/statements.awk
sql/statements.inc: $(SQL_STATEMENTS) sql/statements.awk
	@$(MKDIR_P) sql
	$(AM_V_GEN)cd $(srcdir) && LC_ALL=C $(AWK) -f sql/statements.awk $(SQL_STATEMENTS) > $(abs_builddir)/sql/statements.inc.tmp
	@mv sql/statements.inc.tmp sql/statements.inc
sql/statements.o: sql/statements.inc
