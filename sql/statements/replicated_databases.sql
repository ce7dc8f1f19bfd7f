-- SPDX-License-Identifier: Apache-2.0
-- Databases whose statements go through Keeper: name, UUID, engine with arguments.
-- since 22.12
SELECT name, toString(uuid), engine_full FROM system.databases WHERE engine = 'Replicated' ORDER BY name
