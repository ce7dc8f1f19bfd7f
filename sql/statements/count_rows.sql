-- SPDX-License-Identifier: Apache-2.0
-- Rows of one table.
-- since 18.1
SELECT count() FROM {database:id}.{table:id}
