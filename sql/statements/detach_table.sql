-- SPDX-License-Identifier: Apache-2.0
-- Half of a re-attach, which makes an old server send the queue of a Distributed table at once.
-- since 18.1
DETACH TABLE {database:id}.{table:id}
