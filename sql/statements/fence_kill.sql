-- SPDX-License-Identifier: Apache-2.0
-- Ends the queries that an earlier worker of this task left behind.
-- since 18.1
KILL QUERY WHERE query_id LIKE {pattern:str} AND query_id NOT LIKE '%-fence-%' ASYNC
