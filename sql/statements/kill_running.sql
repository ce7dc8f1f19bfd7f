-- SPDX-License-Identifier: Apache-2.0
-- Ends the queries of others; the answer comes before they are gone.
-- since 18.1
KILL QUERY WHERE query_id NOT LIKE 'chfleet-%' ASYNC
