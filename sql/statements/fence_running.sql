-- SPDX-License-Identifier: Apache-2.0
-- Queries that an earlier worker of this task left behind.
-- since 18.1
SELECT count() FROM system.processes WHERE query_id LIKE {pattern:str} AND query_id NOT LIKE '%-fence-%'
