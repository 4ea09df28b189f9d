-- What is current of partitions, and what was before.

-- name: records
-- Also what was only claimed. The columns are in the order in which `record_of` takes them.
SELECT node, key, start, content, code, inputs, reads, read_seq, rows, nbytes, sha256, size,
    mtime_ns, ctime_ns, inode, made_at, run, seq, content_seq, failure, pinned, rules
FROM partitions WHERE node = ?

-- name: record
SELECT node, key, start, content, code, inputs, reads, read_seq, rows, nbytes, sha256, size,
    mtime_ns, ctime_ns, inode, made_at, run, seq, content_seq, failure, pinned, rules
FROM partitions WHERE node = ? AND key = ?

-- name: history
-- The same columns, and then how and with which note.
SELECT node, key, start, content, code, inputs, reads, read_seq, rows, nbytes, sha256, NULL,
    NULL, NULL, NULL, made_at, run, seq, 0, NULL, pinned, rules, how, note
FROM materializations WHERE node = ? AND key = ? ORDER BY seq DESC

-- name: changes
SELECT key FROM partitions WHERE node = ? AND content_seq > ? ORDER BY start

-- name: newer
-- The columns are in the order in which `columns_of` takes them.
SELECT key, start, seq, content, code, inputs, reads, made_at, rows, nbytes, size, mtime_ns,
    ctime_ns, inode, failure IS NOT NULL, pinned, rules
FROM partitions WHERE node = ? AND seq > ? ORDER BY start

-- name: failures
SELECT node, key FROM partitions WHERE failure IS NOT NULL ORDER BY node, start

-- name: seen
SELECT kind, what, sha256 FROM seen WHERE node = ? AND key = ? AND run = ?
ORDER BY kind = 'address', kind = 'program', what
