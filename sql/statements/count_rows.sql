-- Rows of one table.
-- since 18.1
SELECT count() FROM {database:id}.{table:id}
