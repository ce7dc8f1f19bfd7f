-- SPDX-License-Identifier: Apache-2.0
-- Queries of others that run now; ours have ids of our own.
-- since 18.1
SELECT count() FROM system.processes WHERE query_id NOT LIKE 'chfleet-%'
