-- The metastore's tables. `node` is the name of a dataset, source or effect; `key` a partition key.

CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- The schemas that partitions' files have, as text: columns and types.
CREATE TABLE schemas (id INTEGER PRIMARY KEY, columns TEXT NOT NULL UNIQUE) STRICT;

-- What is current: a row for each partition that was ever claimed or observed. `seq` is the number
-- of its materialization (0: only claimed), `content_seq` that of the one since which it has its
-- present content, `read_seq` the last number that had been given when its inputs were read.
-- `pinned` says that somebody's file was accepted. `rules` are those by which a source's text was
-- typed and checked: what was read by older ones is read once more. `schema` is one of `schemas`:
-- NULL where nobody has looked yet, 0 where there is none.
CREATE TABLE partitions (
    node TEXT NOT NULL,
    key TEXT NOT NULL,
    start INTEGER NOT NULL,
    epoch INTEGER NOT NULL DEFAULT 0,
    owner TEXT,
    seq INTEGER NOT NULL DEFAULT 0,
    content_seq INTEGER NOT NULL DEFAULT 0,
    read_seq INTEGER NOT NULL DEFAULT 0,
    content TEXT,
    code TEXT,
    inputs BLOB,
    reads INTEGER NOT NULL DEFAULT -1,
    rows INTEGER NOT NULL DEFAULT 0,
    nbytes INTEGER NOT NULL DEFAULT 0,
    sha256 TEXT,
    size INTEGER,
    mtime_ns INTEGER,
    ctime_ns INTEGER,
    inode INTEGER,
    made_at INTEGER NOT NULL DEFAULT 0,
    run TEXT,
    failure TEXT,
    pinned INTEGER NOT NULL DEFAULT 0,
    rules INTEGER NOT NULL DEFAULT 0,
    schema INTEGER,
    PRIMARY KEY (node, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX partitions_by_schema ON partitions (node, schema) WHERE content IS NOT NULL;
CREATE INDEX partitions_failed ON partitions (node, start) WHERE failure IS NOT NULL;

-- How often the current records of a node were changed: a number in the names of its cached columns.
CREATE TABLE nodes (node TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Every materialization and every observed change of a source, in order.
CREATE TABLE materializations (
    seq INTEGER PRIMARY KEY,
    node TEXT NOT NULL,
    key TEXT NOT NULL,
    start INTEGER NOT NULL,
    content TEXT,
    code TEXT,
    inputs BLOB,
    reads INTEGER NOT NULL,
    read_seq INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    nbytes INTEGER NOT NULL,
    sha256 TEXT,
    made_at INTEGER NOT NULL,
    run TEXT,
    how TEXT NOT NULL,
    pinned INTEGER NOT NULL DEFAULT 0,
    note TEXT,
    rules INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX materializations_of ON materializations (node, key, seq);

-- What the call that made a partition did beside reading its inputs: files that it opened, with their
-- SHA-256, programs that it began, addresses that it connected to.
CREATE TABLE seen (
    node TEXT NOT NULL,
    key TEXT NOT NULL,
    run TEXT NOT NULL,
    kind TEXT NOT NULL,
    what TEXT NOT NULL,
    sha256 TEXT,
    PRIMARY KEY (node, key, kind, what)
) STRICT, WITHOUT ROWID;

-- A publication under way: what is about to be renamed where. All outputs of one step share `step`.
CREATE TABLE intents (
    id INTEGER PRIMARY KEY,
    step TEXT NOT NULL,
    node TEXT NOT NULL,
    key TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    staged TEXT,
    old_sha256 TEXT,
    new_sha256 TEXT,
    record TEXT NOT NULL
) STRICT;

-- The parts of each code fingerprint, so that `why` can name the function that changed. `rules` is
-- the number of the last rules under which a task had it.
CREATE TABLE codes (
    digest TEXT PRIMARY KEY, parts TEXT NOT NULL, rules INTEGER NOT NULL DEFAULT 1
) STRICT, WITHOUT ROWID;

-- The newest due partition of each effect when it was first seen.
CREATE TABLE effects (name TEXT PRIMARY KEY, since INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Effects that a run began and whose end is not known: if the run is dead, they are perhaps done.
CREATE TABLE begun (
    node TEXT NOT NULL,
    key TEXT NOT NULL,
    run TEXT NOT NULL,
    PRIMARY KEY (node, key)
) STRICT, WITHOUT ROWID;

-- Backfills that were asked for; `since` is the sequence number at that time.
CREATE TABLE requests (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL,
    since INTEGER NOT NULL,
    asked_at INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;

-- The graphs that runs had, as JSON; runs with equal graphs share one.
CREATE TABLE graphs (digest TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT, WITHOUT ROWID;

-- A row for each run; `request` is what was asked for, in words, `pid` the process that carried it out,
-- `note` what is to be known besides, such as who cancelled it. `graph` is a digest of `graphs`.
CREATE TABLE runs (
    id TEXT PRIMARY KEY,
    command TEXT NOT NULL,
    started_at REAL NOT NULL,
    finished_at REAL,
    state TEXT NOT NULL,
    ran INTEGER NOT NULL DEFAULT 0,
    unchanged INTEGER NOT NULL DEFAULT 0,
    skipped INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    blocked INTEGER NOT NULL DEFAULT 0,
    host TEXT NOT NULL,
    owner TEXT NOT NULL,
    cancelled INTEGER NOT NULL DEFAULT 0,
    pid INTEGER NOT NULL DEFAULT 0,
    request TEXT NOT NULL DEFAULT '',
    note TEXT NOT NULL DEFAULT '',
    graph TEXT
) STRICT;

-- A row for each attempt at a step. `seconds` and `cpu` are of wall and processor, `memory` is the
-- worker's high-water mark in bytes, `worker` the number of its process, `serial` the attempt's own
-- number in the run; what is not known is 0.
CREATE TABLE steps (
    run TEXT NOT NULL,
    task TEXT NOT NULL,
    key TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    finished_at REAL NOT NULL,
    seconds REAL NOT NULL,
    message TEXT,
    serial INTEGER NOT NULL DEFAULT 0,
    began_at REAL NOT NULL DEFAULT 0,
    cpu REAL NOT NULL DEFAULT 0,
    memory INTEGER NOT NULL DEFAULT 0,
    rows_in INTEGER NOT NULL DEFAULT 0,
    bytes_in INTEGER NOT NULL DEFAULT 0,
    rows_out INTEGER NOT NULL DEFAULT 0,
    bytes_out INTEGER NOT NULL DEFAULT 0,
    worker INTEGER NOT NULL DEFAULT 0,
    has_log INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (run, task, key, attempt)
) STRICT, WITHOUT ROWID;
