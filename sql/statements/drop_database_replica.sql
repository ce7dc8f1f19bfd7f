-- Takes a replica that is gone out of a Replicated database.
-- since 23.1
SYSTEM DROP DATABASE REPLICA {replica:str} FROM DATABASE {database:id}
