-- SPDX-License-Identifier: Apache-2.0
-- Active parts of replicated tables, as ranges that a merge on another replica still covers.
-- since 18.1
SELECT database, table, partition, min_block_number, max_block_number, level FROM system.parts
WHERE active AND rows > 0 AND engine LIKE 'Replicated%' ORDER BY database, table, partition, min_block_number
