-- How far the record has come, and the code and the effects that runs knew.

-- name: seq
SELECT max(seq) FROM materializations

-- name: versions
SELECT node, version FROM nodes

-- name: newest_at
-- What was recorded before somebody said that the clock is right does not count, nor what was put
-- back or accepted: that has the time at which it was once made.
SELECT made_at FROM materializations WHERE seq > coalesce(
    (SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'clock_trusted'), 0
) AND how IN ('made', 'kept', 'done', 'observed') ORDER BY seq DESC LIMIT 1

-- name: note
INSERT OR REPLACE INTO meta VALUES (?, ?)

-- name: noted
-- Of all names that begin so, because ! follows the blank in which the beginning ends.
SELECT name, value FROM meta
WHERE name >= ?1 AND name < substr(?1, 1, length(?1) - 1) || '!' AND substr(name, 1, length(?1)) = ?1

-- name: forget
DELETE FROM meta WHERE name = ?

-- name: shown
SELECT value FROM meta WHERE name = 'shown'

-- name: add_code
INSERT INTO codes (digest, parts, rules) VALUES (?, ?, ?)
ON CONFLICT (digest) DO UPDATE SET rules = max(rules, excluded.rules)

-- name: code_parts
SELECT parts FROM codes WHERE digest = ?

-- name: code_rules
SELECT rules FROM codes WHERE digest = ?

-- name: add_effect
INSERT OR REPLACE INTO effects VALUES (?, ?)

-- name: effects
SELECT name, since FROM effects

-- name: begun
SELECT node, key, run FROM begun ORDER BY node, key
