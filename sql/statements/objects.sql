-- SPDX-License-Identifier: Apache-2.0
-- Tables, views, materialized views and dictionaries: database, name, engine, statement that makes it.
-- since 18.1
SELECT database, name, engine, create_table_query FROM system.tables
WHERE database NOT IN ('system', '_temporary_and_external_tables') AND NOT is_temporary AND name NOT LIKE '.inner.%'
ORDER BY database, name
-- since 20.10
SELECT database, name, engine, create_table_query FROM system.tables
WHERE database NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema', '_temporary_and_external_tables')
AND NOT is_temporary AND name NOT LIKE '.inner.%' AND name NOT LIKE '.inner\\_id.%'
ORDER BY database, name SETTINGS show_table_uuid_in_table_create_query_if_not_nil = 1
