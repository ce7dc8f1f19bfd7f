-- SPDX-License-Identifier: Apache-2.0
-- Tables of simple engines that keep data on this server's disk.
-- since 18.1
SELECT database, name FROM system.tables WHERE database NOT IN ('system')
AND engine IN ('Log', 'TinyLog', 'StripeLog', 'Set', 'Join', 'EmbeddedRocksDB') ORDER BY database, name
