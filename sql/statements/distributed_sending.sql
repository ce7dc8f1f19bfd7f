-- SPDX-License-Identifier: Apache-2.0
-- Connections that send rows of Distributed tables at this moment.
-- since 18.1
SELECT sum(value) FROM system.metrics WHERE metric = 'DistributedSend'
