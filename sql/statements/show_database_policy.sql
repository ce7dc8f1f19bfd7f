-- SPDX-License-Identifier: Apache-2.0
-- The statement that makes a row policy of all tables of a database.
-- since 20.8
SHOW CREATE ROW POLICY {name:id} ON {database:id}.*
