-- SPDX-License-Identifier: Apache-2.0
-- User databases: name, engine, engine with arguments.
-- since 18.1
SELECT name, engine, engine FROM system.databases WHERE name NOT IN ('system', '_temporary_and_external_tables') ORDER BY name
-- since 20.1
SELECT name, engine, engine FROM system.databases
WHERE name NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema', '_temporary_and_external_tables')
AND engine NOT IN ('Memory', 'DatabaseMemory') ORDER BY name
-- since 22.12
SELECT name, engine, engine_full FROM system.databases
WHERE name NOT IN ('system', 'INFORMATION_SCHEMA', 'information_schema', '_temporary_and_external_tables')
AND engine NOT IN ('Memory', 'DatabaseMemory') ORDER BY name
