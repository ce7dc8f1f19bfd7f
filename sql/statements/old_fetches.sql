-- SPDX-License-Identifier: Apache-2.0
-- Parts that were known before the given time and are still to be fetched.
-- since 18.1
SELECT count() FROM system.replication_queue WHERE type IN ('GET_PART', 'ATTACH_PART')
AND toUnixTimestamp(create_time) <= {before:int}
