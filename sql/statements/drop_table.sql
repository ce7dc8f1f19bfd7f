-- SPDX-License-Identifier: Apache-2.0
-- Drops a table of the host that goes.
-- since 18.1
DROP TABLE IF EXISTS {database:id}.{table:id}
-- since 20.10
DROP TABLE IF EXISTS {database:id}.{table:id} SYNC
