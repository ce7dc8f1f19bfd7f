-- SPDX-License-Identifier: Apache-2.0
-- The statement that makes a role, quota, settings profile or user; password hashes are in it only where the server and
-- the user who asks may show secrets.
-- since 20.8
SHOW CREATE {kind:word} {name:id}
-- since 23.5
SHOW CREATE {kind:word} {name:id} SETTINGS format_display_secrets_in_show_and_select = 1
