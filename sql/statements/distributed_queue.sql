-- SPDX-License-Identifier: Apache-2.0
-- Files of asynchronous inserts that are still to be sent; unknown on servers without the table.
-- since 20.3
SELECT sum(data_files) FROM system.distribution_queue
