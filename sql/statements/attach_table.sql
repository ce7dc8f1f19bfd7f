-- The other half.
-- since 18.1
ATTACH TABLE {database:id}.{table:id}
