-- SPDX-License-Identifier: Apache-2.0
-- Answers only while the server has a session with Keeper.
-- since 18.1
SELECT count() FROM system.zookeeper WHERE path = '/'
