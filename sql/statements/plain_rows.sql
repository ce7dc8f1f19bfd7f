-- SPDX-License-Identifier: Apache-2.0
-- Rows that only this server has: tables of the MergeTree family that are not replicated.
-- since 18.1
SELECT database, table, sum(rows) FROM system.parts WHERE active AND engine NOT LIKE 'Replicated%'
AND engine NOT LIKE 'Shared%' AND database NOT IN ('system') GROUP BY database, table HAVING sum(rows) > 0
ORDER BY database, table
