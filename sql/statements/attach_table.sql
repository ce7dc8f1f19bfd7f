-- SPDX-License-Identifier: Apache-2.0
-- The other half.
-- since 18.1
ATTACH TABLE {database:id}.{table:id}
