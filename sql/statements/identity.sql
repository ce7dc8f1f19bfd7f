-- SPDX-License-Identifier: Apache-2.0
-- Which server answers, and since when it runs (Unix seconds): the pair tells one process from the next.
-- since 18.1
SELECT version(), toUnixTimestamp(now()) - uptime()
