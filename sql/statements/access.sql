-- SPDX-License-Identifier: Apache-2.0
-- Users, roles, quotas, row policies and settings profiles kept in this server's own folder: kind, name, and of a policy
-- its database and table ("" = all tables). Those of files, LDAP and Keeper come to each server by themselves.
-- since 18.1
SELECT '', '', '', '' FROM system.one WHERE 0
-- since 20.8
SELECT 'SETTINGS PROFILE', name, '', '' FROM system.settings_profiles
WHERE storage = 'local directory' OR storage = 'local_directory'
UNION ALL SELECT 'ROLE', name, '', '' FROM system.roles
WHERE storage = 'local directory' OR storage = 'local_directory'
UNION ALL SELECT 'USER', name, '', '' FROM system.users
WHERE storage = 'local directory' OR storage = 'local_directory'
UNION ALL SELECT 'QUOTA', name, '', '' FROM system.quotas
WHERE storage = 'local directory' OR storage = 'local_directory'
UNION ALL SELECT 'ROW POLICY', short_name, database, table FROM system.row_policies
WHERE storage = 'local directory' OR storage = 'local_directory'
