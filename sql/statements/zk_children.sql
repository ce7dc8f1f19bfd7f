-- SPDX-License-Identifier: Apache-2.0
-- Children of a Keeper path, as this server sees them.
-- since 18.1
SELECT name FROM system.zookeeper WHERE path = {path:str} ORDER BY name
