-- Whether a file is a metastore, of which schema, and which one.

-- name: schema
SELECT value FROM meta WHERE name = 'schema'

-- name: set_schema
UPDATE meta SET value = ? WHERE name = 'schema'

-- name: note
INSERT OR REPLACE INTO meta VALUES (?, ?)

-- name: incarnation
SELECT value FROM meta WHERE name = 'incarnation'

-- name: fold_in
PRAGMA wal_checkpoint(TRUNCATE)
