-- The log of runs: what they did, which graphs they had, and which backfills were asked for.

-- name: add_graph
INSERT OR IGNORE INTO graphs VALUES (?, ?)

-- name: begin
INSERT INTO runs (
    id, command, started_at, finished_at, state, ran, unchanged, skipped, failed, blocked, host,
    owner, cancelled, pid, request, note, graph
) VALUES (
    :id, :command, :started_at, :finished_at, :state, :ran, :unchanged, :skipped, :failed, :blocked,
    :host, :owner, :cancelled, :pid, :request, :note, :graph
)

-- name: running
SELECT id FROM runs WHERE state = 'running'

-- name: bury
UPDATE runs SET state = CASE note WHEN '' THEN 'interrupted' ELSE 'cancelled' END
WHERE state = 'running' AND id = ?

-- name: finish
-- One that did not do all it had to, and has a note, was cancelled.
UPDATE runs SET
    state = CASE WHEN note != '' AND (:state = 'interrupted' OR :cancelled > 0) THEN 'cancelled'
        ELSE :state END,
    finished_at = :finished_at, ran = :ran, unchanged = :unchanged, skipped = :skipped,
    failed = :failed, blocked = :blocked, cancelled = :cancelled
WHERE id = :id

-- name: annotate
UPDATE runs SET note = ? WHERE id = ? AND state = 'running' RETURNING id

-- name: runs
-- The columns are in the order in which `run_of` takes them.
SELECT id, command, started_at, finished_at, state, ran, unchanged, skipped, failed, blocked, host,
    owner, cancelled, pid, request, note, graph
FROM runs ORDER BY rowid DESC LIMIT ?

-- name: runs_since
SELECT id, command, started_at, finished_at, state, ran, unchanged, skipped, failed, blocked, host,
    owner, cancelled, pid, request, note, graph
FROM runs WHERE id IN (SELECT run FROM materializations WHERE seq > ?)
ORDER BY rowid DESC

-- name: outcomes
-- Of the attempts at one partition the last one says what became of it.
SELECT state, count(*) FROM (
    SELECT state, max(attempt) FROM steps WHERE run = ? GROUP BY task, key
) GROUP BY state

-- name: starts
SELECT id, state, started_at FROM runs ORDER BY rowid

-- name: graph
SELECT document FROM runs JOIN graphs ON graph = digest WHERE id = ?

-- name: graphs
SELECT document FROM graphs

-- name: attempted
SELECT task, min(key), max(key) FROM steps GROUP BY task ORDER BY task

-- name: newest
SELECT id FROM runs ORDER BY rowid DESC LIMIT ?

-- name: took
SELECT avg(seconds) FROM (
    SELECT seconds FROM steps WHERE run = ? AND task = ? AND state = 'made'
    ORDER BY key DESC LIMIT ?
)

-- name: attempts
-- The columns are in the order in which `step_of` takes them, here and in `steps`.
SELECT runs.id, task, key, attempt, steps.state, reason, seconds, message, serial, began_at, cpu,
    memory, rows_in, bytes_in, rows_out, bytes_out, worker, has_log
FROM runs CROSS JOIN steps ON run = runs.id
WHERE task IN (SELECT value FROM json_each(?)) AND key = ?
ORDER BY runs.rowid DESC, task, attempt

-- name: steps
SELECT task, key, attempt, state, reason, seconds, message, serial, began_at, cpu, memory, rows_in,
    bytes_in, rows_out, bytes_out, worker, has_log
FROM steps WHERE run = ? ORDER BY finished_at, serial, task, key, attempt

-- name: forget_steps
DELETE FROM steps WHERE run = ?

-- name: forget_run
DELETE FROM runs WHERE id = ?

-- name: forget_graphs
DELETE FROM graphs WHERE digest NOT IN (SELECT graph FROM runs WHERE graph IS NOT NULL)

-- name: close_request
UPDATE requests SET finished_at = ? WHERE text = ? AND finished_at IS NULL

-- name: drop_request
DELETE FROM requests WHERE text = ? AND finished_at IS NULL

-- name: add_request
INSERT INTO requests (text, since, asked_at) VALUES (?, ?, ?)

-- name: open_request
SELECT since FROM requests WHERE text = ? AND finished_at IS NULL
