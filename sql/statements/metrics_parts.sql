-- SPDX-License-Identifier: Apache-2.0
-- Sizes of tables, active and inactive parts apart: database, table, active, partitions, parts, bytes, uncompressed bytes,
-- rows, bytes on disk, bytes of primary keys in memory.
-- since 18.1
SELECT database, table, active, uniq(partition), count(), sum(bytes), sum(data_uncompressed_bytes), sum(rows),
    sum(bytes_on_disk), sum(primary_key_bytes_in_memory_allocated)
FROM system.parts GROUP BY database, table, active
