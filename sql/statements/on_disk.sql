-- SPDX-License-Identifier: Apache-2.0
-- The definition of a table that is loaded or lies on the disk; 390 (or that it is unknown) when there is neither.
-- since 18.1
SHOW CREATE TABLE {database:id}.{table:id}
