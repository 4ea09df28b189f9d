"""The SQLite record of what is current, and of what is about to become so.

Knows nothing of plans, tasks or files' contents. Transactions are short, begin IMMEDIATE behind a
`flock` (SQLite's busy timeout starves waiting writers), and do no file I/O inside. SQLite comes
from apsw: the builds in many Pythons can corrupt a WAL under concurrent checkpoints.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, Self

import apsw

from partflow.errors import MetastoreError, PublishError
from partflow.migrations import MIGRATIONS, SCHEMA_VERSION
from partflow.record import FileIdentity, Intent, Record

_COLUMNS = (
    "node, key, start, content, code, inputs, reads, read_seq, rows, nbytes, sha256, "
    "size, mtime_ns, ctime_ns, inode, made_at, run, seq, content_seq, failure, pinned"
)


Also = Callable[[apsw.Connection], None]
"""Writes more within a transaction."""


class Metastore(AbstractContextManager["Metastore"]):
    """One open metastore; `Metastore.open` makes or migrates the file, the constructor does not."""

    def __init__(self, connection: apsw.Connection, lock: Path) -> None:
        self.connection = connection
        self._lock = lock

    @classmethod
    def open(cls, path: Path, *, durable: bool = True) -> Self:
        """The metastore at `path`; made if there is none. Close it when done."""
        path.parent.mkdir(parents=True, exist_ok=True)
        found = cls(_connected(path, durable=durable), path.with_suffix(".lock"))
        if not found.connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall():
            found.connection.execute("PRAGMA journal_mode = WAL")
            with found.transaction() as c:
                if not c.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall():
                    _create(c)
        found._check_version(path)
        return found

    @classmethod
    def open_existing(cls, path: Path) -> Self:
        """The metastore at `path`, or an empty one in memory: reading never writes."""
        if path.exists():
            return cls.open(path)
        found = cls(apsw.Connection(":memory:"), Path(os.devnull))
        _create(found.connection)
        return found

    def close(self) -> None:
        """Close the file; the last one to close it folds the write-ahead log in."""
        self.connection.close()

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    @contextmanager
    def transaction(self) -> Iterator[apsw.Connection]:
        """One durable transaction, behind the writers' lock file."""
        with self._lock.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
            except BaseException:
                self.connection.execute("ROLLBACK")
                raise
            self.connection.execute("COMMIT")

    # --- reading -----------------------------------------------------------------------------

    @property
    def seq(self) -> int:
        """The number of the last materialization."""
        rows = self.connection.execute("SELECT max(seq) FROM materializations").fetchall()
        return int(rows[0][0] or 0)

    def records(self, node: str, key: str | None = None) -> list[Record]:
        """What is current of a node, or of one of its partitions; also what was only claimed."""
        where = "node = ?" if key is None else "node = ? AND key = ?"
        values = (node,) if key is None else (node, key)
        query = f"SELECT {_COLUMNS} FROM partitions WHERE {where}"  # noqa: S608 - no input in it
        return [_record(row) for row in self.connection.execute(query, values)]

    def current(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Record]:
        """What is current of each of these (node, key), if there is anything."""
        query = f"SELECT {_COLUMNS} FROM partitions WHERE node = ? AND key = ?"  # noqa: S608
        rows = (row for pair in wanted for row in self.connection.execute(query, pair))
        return {(r.node, r.key): r for r in map(_record, rows)}

    def history(self, node: str, key: str) -> list[Record]:
        """Every materialization of a partition, the newest first."""
        columns = "node, key, start, content, code, inputs, reads, read_seq, rows, nbytes, sha256"
        rows = self.connection.execute(
            f"SELECT {columns}, made_at, run, how, seq, pinned, note "  # noqa: S608
            "FROM materializations "
            "WHERE node = ? AND key = ? ORDER BY seq DESC",
            (node, key),
        )
        return [
            replace(
                _record((*r[:11], None, None, None, None, *r[11:13], r[14], 0, None, r[15])),
                how=r[13],
                note=r[16],
            )
            for r in rows
        ]

    def changes(self, node: str, after: int, until: int | None = None) -> list[tuple[str, int]]:
        """The (key, seq) of a node's partitions whose content became the present one later."""
        rows = self.connection.execute(
            "SELECT key, content_seq FROM partitions WHERE node = ? AND content_seq > ? "
            "AND content_seq <= ? ORDER BY start",
            (node, after, until if until is not None else 2**62),
        )
        return [(str(k), int(s)) for k, s in rows]

    def versions(self) -> tuple[str, dict[str, int]]:
        """The incarnation of this metastore, and how often each node was changed in it."""
        incarnation = self.connection.execute(
            "SELECT value FROM meta WHERE name = 'incarnation'"
        ).fetchall()[0][0]
        rows = self.connection.execute("SELECT node, version FROM nodes")
        return str(incarnation), {str(node): int(str(version)) for node, version in rows}

    def effects(self) -> dict[str, int]:
        """For each effect that was seen, the ordinal that was its newest due one then."""
        rows = self.connection.execute("SELECT name, since FROM effects")
        return {str(name): int(str(since)) for name, since in rows}

    def code_parts(self, digest: str) -> dict[str, str]:
        """The named parts of a code fingerprint; empty if it was never recorded."""
        rows = self.connection.execute("SELECT parts FROM codes WHERE digest = ?", (digest,))
        found = rows.fetchall()
        return dict(json.loads(str(found[0][0]))) if found else {}

    # --- writing: each is one transaction ------------------------------------------------------

    def observe(self, records: Sequence[Record], touched: Sequence[Record]) -> None:
        """Record sources' new contents, and new identities of files with the content they had."""
        with self.transaction() as c:
            _changed(c, (r.node for r in (*records, *touched)))
            for record in records:
                _put(c, record, epoch=None)
            for record in touched:
                identity = record.identity
                assert identity is not None
                c.execute(
                    "UPDATE partitions SET size = ?, mtime_ns = ?, ctime_ns = ?, inode = ?, "
                    "nbytes = ?, sha256 = ? WHERE node = ? AND key = ?",
                    (
                        identity.size,
                        identity.mtime_ns,
                        identity.ctime_ns,
                        identity.inode,
                        identity.size,
                        record.sha256,
                        record.node,
                        record.key,
                    ),
                )

    def begin(self, codes: dict[str, dict[str, str]], effects: dict[str, int]) -> None:
        """Record the code fingerprints and the new effects that a run knows."""
        known = {r[0] for r in self.connection.execute("SELECT digest FROM codes")}
        seen = self.effects()
        new_codes = {d: p for d, p in codes.items() if d not in known}
        new_effects = {n: o for n, o in effects.items() if n not in seen}
        if not new_codes and not new_effects:
            return
        with self.transaction() as c:
            for digest, parts in new_codes.items():
                c.execute("INSERT OR IGNORE INTO codes VALUES (?, ?)", (digest, json.dumps(parts)))
            for name, since in new_effects.items():
                c.execute("INSERT OR IGNORE INTO effects VALUES (?, ?)", (name, since))

    def claim(
        self, owner: str, wanted: Iterable[tuple[str, str, int]]
    ) -> dict[tuple[str, str], int]:
        """Raise the epoch of each (node, key, start) by one; the new epochs."""
        found = {}
        with self.transaction() as c:
            for node, key, start in wanted:
                rows = c.execute(
                    "INSERT INTO partitions (node, key, start, epoch, owner) "
                    "VALUES (?, ?, ?, 1, ?) ON CONFLICT (node, key) "
                    "DO UPDATE SET epoch = epoch + 1, owner = excluded.owner RETURNING epoch",
                    (node, key, start, owner),
                )
                found[node, key] = int(str(rows.fetchall()[0][0]))
        return found

    def intend(self, intents: Sequence[Intent]) -> None:
        """Say what is about to be renamed; every epoch must still be the owner's."""
        with self.transaction() as c:
            for i in intents:
                _check_epoch(c, i)
                c.execute(
                    "INSERT INTO intents (step, node, key, epoch, staged, old_sha256, new_sha256, "
                    "record) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        i.step,
                        i.node,
                        i.key,
                        i.epoch,
                        i.staged,
                        i.old_sha256,
                        i.new_sha256,
                        i.record.to_json(),
                    ),
                )

    def check(self, intents: Sequence[Intent]) -> None:
        """Raise PublishError if another owner has claimed any of them since."""
        for intent in intents:
            _check_epoch(self.connection, intent)

    def commit(self, intents: Sequence[Intent], also: Also | None = None) -> None:
        """Make the records of published intents current, by compare-and-swap on their epochs.

        What is `also` to be written is so in the same transaction.
        """
        with self.transaction() as c:
            if also is not None:
                also(c)
            _changed(c, (i.node for i in intents))
            for intent in intents:
                _check_epoch(c, intent)
                _put(c, intent.record, epoch=intent.epoch)
                c.execute(
                    "DELETE FROM intents WHERE node = ? AND key = ? AND epoch = ?",
                    (intent.node, intent.key, intent.epoch),
                )

    def intents(self) -> list[Intent]:
        """What was intended and never committed: a run died, or is at it now."""
        rows = self.connection.execute(
            "SELECT step, node, key, epoch, staged, old_sha256, new_sha256, record "
            "FROM intents ORDER BY id"
        )
        return [_intent(row) for row in rows]

    def abandon(self, intents: Sequence[Intent]) -> None:
        """Forget intents whose files were not renamed."""
        with self.transaction() as c:
            for i in intents:
                c.execute(
                    "DELETE FROM intents WHERE node = ? AND key = ? AND epoch = ?",
                    (i.node, i.key, i.epoch),
                )

    def fail(self, failures: Sequence[tuple[str, str, str]], also: Also | None = None) -> None:
        """Record (node, key, message) of steps that failed, and what is `also` to be written."""
        with self.transaction() as c:
            if also is not None:
                also(c)
            _changed(c, (node for node, _, _ in failures))
            c.executemany(
                "UPDATE partitions SET failure = ?3 WHERE node = ?1 AND key = ?2", failures
            )

    def _check_version(self, path: Path) -> None:
        try:
            rows = self.connection.execute(
                "SELECT value FROM meta WHERE name = 'schema'"
            ).fetchall()
            version = int(str(rows[0][0]))
        except (apsw.Error, IndexError):
            raise MetastoreError(
                f"{path} is a SQLite file and no metastore of partflow's; move it away, or name "
                "another with metastore = '...'"
            ) from None
        if version > SCHEMA_VERSION:
            raise MetastoreError(
                f"{path} has schema {version}, and this partflow knows {SCHEMA_VERSION}; "
                "use the partflow that wrote it, or a newer one"
            )
        for old in range(version, SCHEMA_VERSION):
            with self.transaction() as c:
                # Another process may have done it since.
                if c.execute("SELECT value FROM meta WHERE name = 'schema'").fetchall() == [
                    (str(old),)
                ]:
                    c.execute(MIGRATIONS[old])
                    c.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (str(old + 1),))


def _connected(path: Path, *, durable: bool) -> apsw.Connection:
    try:
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(30_000)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    except apsw.Error as error:
        raise MetastoreError(
            f"{path} cannot be opened as a metastore ({error}); if it is damaged, move it away: "
            "the tables stay as they are, and what was recorded of them is made again"
        ) from None
    return connection


def _create(connection: apsw.Connection) -> None:
    connection.execute(resources.files("partflow").joinpath("metastore.sql").read_text("utf-8"))
    connection.execute("INSERT INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),))
    connection.execute("INSERT INTO meta VALUES ('incarnation', ?)", (os.urandom(8).hex(),))


def _record(row: Sequence[Any]) -> Record:
    size, mtime_ns, ctime_ns, inode = row[11:15]
    return Record(
        node=row[0], key=row[1], start=row[2], content=row[3], code=row[4], inputs=row[5] or b"",
        reads=row[6], read_seq=row[7], rows=row[8], nbytes=row[9], sha256=row[10],
        identity=None if size is None else FileIdentity(size, mtime_ns, ctime_ns, inode),
        made_at=row[15], run=row[16], seq=row[17], content_seq=row[18], failure=row[19],
        pinned=bool(row[20]),
    )  # fmt: skip


def _intent(row: Sequence[Any]) -> Intent:
    step, node, key, epoch, staged, old, new, record = row
    return Intent(step, node, key, epoch, staged, old, new, Record.from_json(record))


def _check_epoch(c: apsw.Connection, intent: Intent) -> None:
    rows = c.execute(
        "SELECT epoch, owner FROM partitions WHERE node = ? AND key = ?", (intent.node, intent.key)
    ).fetchall()
    if not rows or rows[0][0] != intent.epoch:
        other = rows[0][1] if rows else "?"
        raise PublishError(
            f"{intent.node}@{intent.key} is not published: another run ({other}) has claimed it "
            "since; what it makes stands"
        )


def _changed(c: apsw.Connection, nodes: Iterable[str]) -> None:
    """Count a change of each of the nodes."""
    c.executemany(
        "INSERT INTO nodes VALUES (?, 1) ON CONFLICT (node) DO UPDATE SET version = version + 1",
        [(node,) for node in sorted(set(nodes))],
    )


def _put(c: apsw.Connection, r: Record, *, epoch: int | None) -> None:
    """Make a record current and append it to the history."""
    identity = r.identity or FileIdentity(0, 0, 0, 0)
    where = "WHERE node = ? AND key = ?"
    was = c.execute(
        f"SELECT content, content_seq FROM partitions {where}",  # noqa: S608 - no input in it
        (r.node, r.key),
    ).fetchall()
    history = {
        "node": r.node, "key": r.key, "start": r.start, "content": r.content, "code": r.code,
        "inputs": r.inputs, "reads": r.reads, "read_seq": r.read_seq, "rows": r.rows,
        "nbytes": r.nbytes, "sha256": r.sha256, "made_at": r.made_at, "run": r.run,
        "pinned": int(r.pinned),
    }  # fmt: skip
    _insert(c, "materializations", {**history, "how": r.how, "note": r.note})
    seq = c.last_insert_rowid()
    same = bool(was) and was[0][0] == r.content and r.content is not None
    current = {
        **history, "seq": seq, "content_seq": was[0][1] if same else seq, "failure": None,
        "size": identity.size, "mtime_ns": identity.mtime_ns, "ctime_ns": identity.ctime_ns,
        "inode": identity.inode,
    }  # fmt: skip
    kept = ("node", "key", "start")
    changed = ", ".join(f"{name} = excluded.{name}" for name in current if name not in kept)
    _insert(
        c,
        "partitions",
        {**current, "epoch": epoch or 0},
        f" ON CONFLICT (node, key) DO UPDATE SET {changed}",
    )


def _insert(c: apsw.Connection, name: str, values: dict[str, Any], suffix: str = "") -> None:
    columns, marks = ", ".join(values), ", ".join("?" * len(values))
    c.execute(
        f"INSERT INTO {name} ({columns}) VALUES ({marks}){suffix}",  # noqa: S608 - own names only
        tuple(values.values()),
    )
