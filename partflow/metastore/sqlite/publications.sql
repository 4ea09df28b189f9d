-- The life of a publication: claimed, intended, checked, and recorded or abandoned.

-- name: claim
INSERT INTO partitions (node, key, start, epoch, owner) VALUES (:node, :key, :start, 1, :owner)
ON CONFLICT (node, key) DO UPDATE SET epoch = epoch + 1, owner = excluded.owner
RETURNING epoch

-- name: epochs
SELECT p.node, p.key, p.epoch, p.owner FROM json_each(?1) AS wanted
CROSS JOIN partitions AS p ON p.node = wanted.value ->> 0 AND p.key = wanted.value ->> 1

-- name: intend
INSERT INTO intents (step, node, key, epoch, staged, old_sha256, new_sha256, record)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: intents
SELECT step, node, key, epoch, staged, old_sha256, new_sha256, record FROM intents ORDER BY id

-- name: pending
SELECT id, node, key, epoch FROM intents

-- name: drop_intent
DELETE FROM intents WHERE id = ?

-- name: fail
UPDATE partitions SET failure = ?3 WHERE node = ?1 AND key = ?2 AND owner = ?4
