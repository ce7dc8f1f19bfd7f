-- SPDX-License-Identifier: Apache-2.0
-- What a role or user may do.
-- since 20.8
SHOW GRANTS FOR {name:id}
