-- SPDX-License-Identifier: Apache-2.0
-- How many replicated tables of this server are not fit to serve.
-- since 18.1
SELECT count() FROM system.replicas WHERE is_readonly OR is_session_expired OR absolute_delay > {limit:int}
