-- What a SQLite file is, before anything is asked of it.

-- name: any_table
SELECT 1 FROM sqlite_master LIMIT 1

-- name: is_ours
SELECT 1 FROM meta WHERE name = 'schema'
