-- SPDX-License-Identifier: Apache-2.0
-- Named collections: name, key, value. Values are hidden unless server and user may show secrets.
-- since 18.1
SELECT '', '', '' FROM system.one WHERE 0
-- since 23.5
SELECT name, k, v FROM system.named_collections ARRAY JOIN mapKeys(collection) AS k, mapValues(collection) AS v
ORDER BY name, k SETTINGS format_display_secrets_in_show_and_select = 1
