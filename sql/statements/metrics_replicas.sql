-- SPDX-License-Identifier: Apache-2.0
-- Replicated tables and whether their Keeper session is over.
-- since 18.1
SELECT database, table, is_session_expired FROM system.replicas
