-- SPDX-License-Identifier: Apache-2.0
-- Local disks: name, free bytes, all bytes.
-- since 19.15
SELECT name, free_space, total_space FROM system.disks
-- since 20.8
SELECT name, free_space, total_space FROM system.disks WHERE lower(type) = 'local'
