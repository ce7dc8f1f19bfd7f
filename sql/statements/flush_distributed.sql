-- SPDX-License-Identifier: Apache-2.0
-- Sends what a Distributed table holds and waits for it.
-- since 19.14
SYSTEM FLUSH DISTRIBUTED {database:id}.{table:id}
