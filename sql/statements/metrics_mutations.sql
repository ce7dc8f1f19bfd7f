-- SPDX-License-Identifier: Apache-2.0
-- Tables with unfinished mutations: how many, and how many parts they have before them.
-- since 18.1
SELECT database, table, count(), sum(parts_to_do) FROM system.mutations WHERE is_done = 0 GROUP BY database, table
