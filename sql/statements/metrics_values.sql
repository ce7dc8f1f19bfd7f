-- SPDX-License-Identifier: Apache-2.0
-- All single numbers of a server in one answer: part, name, value. A table or view system.custom_metrics of the user's own
-- joins system.metrics. Part 0 says which version answered, so that a server that was changed is asked rightly next time.
-- since 18.1
SELECT 0 AS part, version() AS name, '' AS number
UNION ALL SELECT 1, toString(metric), toString(value) FROM merge('system', '^(metrics|custom_metrics)$')
UNION ALL SELECT 2, toString(metric), toString(value) FROM system.asynchronous_metrics
UNION ALL SELECT 3, toString(event), toString(value) FROM system.events
UNION ALL SELECT 4, '', toString(sum(bytes_allocated)) FROM system.dictionaries
UNION ALL SELECT 5, '', toString(max(elapsed)) FROM system.processes
UNION ALL SELECT 6, '', toString(groupBitXor(cityHash64(name, value))) FROM system.settings WHERE changed
-- since 20.11
SELECT 0 AS part, version() AS name, '' AS number
UNION ALL SELECT 1, toString(metric), toString(value) FROM merge('system', '^(metrics|custom_metrics)$')
UNION ALL SELECT 2, toString(metric), toString(value) FROM system.asynchronous_metrics
UNION ALL SELECT 3, toString(event), toString(value) FROM system.events
UNION ALL SELECT 4, '', toString(sum(bytes_allocated)) FROM system.dictionaries
UNION ALL SELECT 5, '', toString(max(elapsed)) FROM system.processes
UNION ALL SELECT 6, '', toString(groupBitXor(cityHash64(name, value))) FROM system.settings WHERE changed
UNION ALL SELECT 7, toString(name), toString(sum(value)) FROM system.errors GROUP BY name
