-- SPDX-License-Identifier: Apache-2.0
-- Roles, quotas, row policies and settings profiles kept in this server's own folder: kind, name.
-- since 18.1
SELECT '', '' FROM system.one WHERE 0
-- since 20.8
SELECT 'ROLE', name FROM system.roles WHERE storage = 'local directory' OR storage = 'local_directory'
UNION ALL SELECT 'SETTINGS PROFILE', name FROM system.settings_profiles
WHERE storage = 'local directory' OR storage = 'local_directory'
UNION ALL SELECT 'QUOTA', name FROM system.quotas WHERE storage = 'local directory' OR storage = 'local_directory'
UNION ALL SELECT 'USER', name FROM system.users WHERE storage = 'local directory' OR storage = 'local_directory'
