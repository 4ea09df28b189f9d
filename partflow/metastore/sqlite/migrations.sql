-- How a metastore of an older schema becomes one of the present schema: `from_N` takes the version N
-- to N + 1, in one transaction. What a new metastore looks like stands in `tables.sql`.

-- name: from_1
ALTER TABLE partitions ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE materializations ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE materializations ADD COLUMN note TEXT;
UPDATE nodes SET version = version + 1;  -- the cached columns lack the new one

-- name: from_2
CREATE TABLE graphs (digest TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT, WITHOUT ROWID;
ALTER TABLE runs ADD COLUMN cancelled INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN pid INTEGER NOT NULL DEFAULT 0;
ALTER TABLE runs ADD COLUMN request TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN graph TEXT;
ALTER TABLE steps ADD COLUMN serial INTEGER NOT NULL DEFAULT 0;
ALTER TABLE steps ADD COLUMN began_at REAL NOT NULL DEFAULT 0;
ALTER TABLE steps ADD COLUMN cpu REAL NOT NULL DEFAULT 0;
ALTER TABLE steps ADD COLUMN memory INTEGER NOT NULL DEFAULT 0;
ALTER TABLE steps ADD COLUMN rows_in INTEGER NOT NULL DEFAULT 0;
ALTER TABLE steps ADD COLUMN bytes_in INTEGER NOT NULL DEFAULT 0;
ALTER TABLE steps ADD COLUMN rows_out INTEGER NOT NULL DEFAULT 0;
ALTER TABLE steps ADD COLUMN bytes_out INTEGER NOT NULL DEFAULT 0;
ALTER TABLE steps ADD COLUMN worker INTEGER NOT NULL DEFAULT 0;
ALTER TABLE steps ADD COLUMN has_log INTEGER NOT NULL DEFAULT 0;

-- name: from_3
ALTER TABLE codes ADD COLUMN rules INTEGER NOT NULL DEFAULT 1;
CREATE TABLE begun (
    node TEXT NOT NULL, key TEXT NOT NULL, run TEXT NOT NULL, PRIMARY KEY (node, key)
) STRICT, WITHOUT ROWID;
ALTER TABLE partitions ADD COLUMN rules INTEGER NOT NULL DEFAULT 0;
ALTER TABLE materializations ADD COLUMN rules INTEGER NOT NULL DEFAULT 0;
CREATE TABLE schemas (id INTEGER PRIMARY KEY, columns TEXT NOT NULL UNIQUE) STRICT;
ALTER TABLE partitions ADD COLUMN schema INTEGER;
CREATE INDEX partitions_by_schema ON partitions (node, schema) WHERE content IS NOT NULL;
CREATE TABLE seen (
    node TEXT NOT NULL, key TEXT NOT NULL, run TEXT NOT NULL,
    kind TEXT NOT NULL, what TEXT NOT NULL, sha256 TEXT,
    PRIMARY KEY (node, key, kind, what)
) STRICT, WITHOUT ROWID;

-- name: from_4
CREATE INDEX partitions_failed ON partitions (node, start) WHERE failure IS NOT NULL;
