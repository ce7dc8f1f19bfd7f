-- SPDX-License-Identifier: Apache-2.0
-- Queries of others that run now, for so many seconds at least; ours have ids of our own.
-- since 18.1
SELECT count() FROM system.processes WHERE query_id NOT LIKE 'chfleet-%' AND elapsed >= {seconds:int}
