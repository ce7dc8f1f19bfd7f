-- SPDX-License-Identifier: Apache-2.0
-- Distributed tables: each may hold rows on disk that are still to be sent.
-- since 18.1
SELECT database, name FROM system.tables WHERE engine = 'Distributed' ORDER BY database, name
