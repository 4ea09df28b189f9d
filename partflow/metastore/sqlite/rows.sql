-- How records are written down, within a transaction of whoever writes them.

-- name: count_change
INSERT INTO nodes VALUES (?1, ?2)
ON CONFLICT (node) DO UPDATE SET version = version + excluded.version

-- name: present
SELECT content, content_seq, schema FROM partitions WHERE node = ? AND key = ?

-- name: append
-- Without a number it gets the next one.
INSERT INTO materializations (
    seq, node, key, start, content, code, inputs, reads, read_seq, rows, nbytes, sha256, made_at,
    run, how, pinned, note, rules
) VALUES (
    :seq, :node, :key, :start, :content, :code, :inputs, :reads, :read_seq, :rows, :nbytes, :sha256,
    :made_at, :run, :how, :pinned, :note, :rules
)

-- name: replace
INSERT INTO partitions (
    node, key, start, epoch, seq, content_seq, read_seq, content, code, inputs, reads, rows, nbytes,
    sha256, size, mtime_ns, ctime_ns, inode, made_at, run, failure, pinned, rules, schema
) VALUES (
    :node, :key, :start, :epoch, :seq, :content_seq, :read_seq, :content, :code, :inputs, :reads,
    :rows, :nbytes, :sha256, :size, :mtime_ns, :ctime_ns, :inode, :made_at, :run, NULL, :pinned,
    :rules, :schema
) ON CONFLICT (node, key) DO UPDATE SET
    seq = excluded.seq, content_seq = excluded.content_seq, read_seq = excluded.read_seq,
    content = excluded.content, code = excluded.code, inputs = excluded.inputs,
    reads = excluded.reads, rows = excluded.rows, nbytes = excluded.nbytes,
    sha256 = excluded.sha256, size = excluded.size, mtime_ns = excluded.mtime_ns,
    ctime_ns = excluded.ctime_ns, inode = excluded.inode, made_at = excluded.made_at,
    run = excluded.run, failure = excluded.failure, pinned = excluded.pinned,
    rules = excluded.rules, schema = excluded.schema

-- name: add_schema
INSERT OR IGNORE INTO schemas (columns) VALUES (?)

-- name: schema_id
SELECT id FROM schemas WHERE columns = ?

-- name: any_seen
SELECT 1 FROM seen LIMIT 1

-- name: forget_seen
DELETE FROM seen WHERE node = ? AND key = ?

-- name: add_seen
INSERT OR REPLACE INTO seen (node, key, run, kind, what, sha256) VALUES (?, ?, ?, ?, ?, ?)

-- name: begin_effect
INSERT OR REPLACE INTO begun VALUES (?, ?, ?)

-- name: end_effect
DELETE FROM begun WHERE node = ? AND key = ? AND run = ?

-- name: add_step
INSERT OR REPLACE INTO steps (
    run, finished_at, task, key, attempt, state, reason, seconds, message, serial, began_at, cpu,
    memory, rows_in, bytes_in, rows_out, bytes_out, worker, has_log
) VALUES (
    :run, :finished_at, :task, :key, :attempt, :state, :reason, :seconds, :message, :serial,
    :began_at, :cpu, :memory, :rows_in, :bytes_in, :rows_out, :bytes_out, :worker, :has_log
)
