-- What nothing that is current needs any more.

-- name: seq
SELECT max(seq) FROM materializations

-- name: first_of_runs
-- The first that a run made which is in the log, but for those runs that are given.
SELECT min(seq) FROM materializations WHERE run IN (
    SELECT id FROM runs WHERE id NOT IN (SELECT value FROM json_each(?))
)

-- name: newest
-- The one by which `newest_at` goes.
SELECT seq FROM materializations WHERE how IN ('made', 'kept', 'done', 'observed')
ORDER BY seq DESC LIMIT 1

-- name: replaced
-- Of each content, by its file and by how it came to be, only the newest counts, and of those only
-- so many of a partition.
WITH several AS (
    SELECT node, key FROM materializations GROUP BY node, key HAVING count(*) > 1 AND min(seq) < :first
), newest AS (
    SELECT node, key, max(seq) AS seq FROM several JOIN materializations USING (node, key)
    GROUP BY node, key, content, sha256, how
), lasting AS (
    SELECT seq FROM (
        SELECT seq, row_number() OVER (PARTITION BY node, key ORDER BY seq DESC) AS place FROM newest
    ) WHERE place <= :contents
)
SELECT m.seq, m.node, m.key, m.run FROM several JOIN materializations AS m USING (node, key)
WHERE m.seq < :first AND m.seq NOT IN lasting AND NOT EXISTS (
    SELECT 1 FROM partitions AS p
    WHERE p.node = m.node AND p.key = m.key AND m.seq IN (p.seq, p.content_seq)
) ORDER BY m.seq

-- name: makings
SELECT seq, node, key, content, code, inputs, made_at, run, sha256 FROM materializations
UNION ALL
SELECT 0, node, key, content, code, inputs, made_at, run, sha256 FROM partitions WHERE seq > 0

-- name: other_codes
SELECT digest FROM codes WHERE digest NOT IN (SELECT value FROM json_each(?)) ORDER BY digest

-- name: forget
DELETE FROM materializations WHERE seq = ?

-- name: forget_code
DELETE FROM codes WHERE digest = ?

-- name: forget_effect
DELETE FROM effects WHERE name = ?

-- name: room
SELECT p.page_count, f.freelist_count, s.page_size
FROM pragma_page_count AS p, pragma_freelist_count AS f, pragma_page_size AS s

-- name: fold_in
PRAGMA wal_checkpoint(TRUNCATE)
