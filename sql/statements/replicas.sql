-- SPDX-License-Identifier: Apache-2.0
-- Every replicated table of this server with what decides whether it serves.
-- since 18.1
SELECT database, table, is_readonly, is_session_expired, log_max_index, log_pointer, absolute_delay, queue_size,
       total_replicas, active_replicas, zookeeper_path, replica_name
FROM system.replicas ORDER BY database, table
