-- SPDX-License-Identifier: Apache-2.0
-- Functions made by SQL; servers before 21.10 have none.
-- since 18.1
SELECT name, '' FROM system.functions WHERE 0
-- since 21.10
SELECT name, create_query FROM system.functions WHERE origin = 'SQLUserDefined' ORDER BY name
