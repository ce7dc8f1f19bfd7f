-- SPDX-License-Identifier: Apache-2.0
-- The statement that makes a role, quota, settings profile or user; passwords are not in it.
-- since 20.8
SHOW CREATE {kind:word} {name:id}
