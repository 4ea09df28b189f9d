-- What a look at files finds: new identities of files, and the schemas that they have.

-- name: touch
UPDATE partitions SET size = :size, mtime_ns = :mtime_ns, ctime_ns = :ctime_ns, inode = :inode,
    nbytes = :size, sha256 = :sha256, rules = :rules, schema = coalesce(:schema, schema)
WHERE node = :node AND key = :key

-- name: any_unlooked
SELECT 1 FROM partitions WHERE node = ? AND content IS NOT NULL AND schema IS NULL LIMIT 1

-- name: next_schema
-- One search of the index for each schema, however many partitions have it.
SELECT schema, (SELECT columns FROM schemas WHERE id = schema) FROM partitions
WHERE node = ? AND content IS NOT NULL AND schema > ? ORDER BY schema LIMIT 1

-- name: unlooked
SELECT key FROM partitions WHERE node = ? AND content IS NOT NULL AND schema IS NULL LIMIT ?

-- name: key_range
SELECT min(key), (SELECT max(key) FROM partitions WHERE node = ?1) FROM partitions WHERE node = ?1

-- name: schemas
SELECT id, columns FROM schemas

-- name: shapes
SELECT key, schema, size, mtime_ns, ctime_ns, inode FROM partitions WHERE node = ?

-- name: describe
UPDATE partitions SET schema = ? WHERE node = ? AND key = ? AND content = ?
