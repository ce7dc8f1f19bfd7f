-- SPDX-License-Identifier: Apache-2.0
-- Detached parts: database, table, disk, reason, how many.
-- since 19.17
SELECT database, table, disk,
    multiIf(reason IS NULL, 'unknown', reason = '', 'detached_by_user', assumeNotNull(reason)) AS why, count()
FROM system.detached_parts GROUP BY database, table, disk, why
