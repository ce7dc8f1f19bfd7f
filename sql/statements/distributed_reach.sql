-- SPDX-License-Identifier: Apache-2.0
-- Fails when a shard of this Distributed table cannot be reached.
-- since 18.1
SELECT count() FROM {database:id}.{table:id} WHERE 0
