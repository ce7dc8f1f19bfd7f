-- SPDX-License-Identifier: Apache-2.0
-- Takes a replica that is gone out of one table's entries in Keeper.
-- since 20.5
SYSTEM DROP REPLICA {replica:str} FROM ZKPATH {path:str}
