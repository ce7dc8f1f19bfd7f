-- SPDX-License-Identifier: Apache-2.0
-- Takes a replica that is gone out of a Replicated database.
-- since 23.1
SYSTEM DROP DATABASE REPLICA {replica:str} FROM DATABASE {database:id}
