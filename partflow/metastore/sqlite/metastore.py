"""The SQLite record of what is current, and of what is about to become so.

Knows nothing of plans, tasks or files' contents. Transactions are short, begin IMMEDIATE behind a
`flock` (SQLite's busy timeout starves waiting writers), and do no file I/O inside. SQLite comes
from apsw: the builds in many Pythons can corrupt a WAL under concurrent checkpoints.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any, Self

import apsw

from partflow.errors import MetastoreError, PublishError, understood
from partflow.metastore.record import CodeRecord, Intent, Record
from partflow.metastore.sqlite.file import connected, damaged, make_folder
from partflow.metastore.sqlite.migrations import MIGRATIONS, SCHEMA_VERSION
from partflow.metastore.sqlite.rows import (
    COLUMNS,
    count_changes,
    intent_of,
    put,
    record_of,
    schema_id,
    version_of,
)
from partflow.partitions.keytexts import shown_key
from partflow.store.failpoints import failpoint
from partflow.store.opening import alone_with

Also = Callable[[apsw.Connection], None]
"""Writes more within a transaction."""


class Metastore(AbstractContextManager["Metastore"]):
    """One open metastore; `Metastore.open` makes or migrates the file, the constructor does not.

    `may_write` is asked within each transaction: whether the lease of who writes is still held.
    """

    def __init__(self, connection: apsw.Connection, lock: Path) -> None:
        self.connection = connection
        self._lock = lock
        self.may_write: Callable[[], bool] = lambda: True
        self._path: Path | None = None
        self._opened: tuple[str, int] = ("", 0)

    @classmethod
    def open(cls, path: Path, *, durable: bool = True) -> Self:
        """The metastore at `path`; made if there is none. Close it when done."""
        make_folder(path.parent, durable=durable)
        found = cls(connected(path, durable=durable), path.with_suffix(".lock"))
        if not found.connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall():
            found.connection.execute("PRAGMA journal_mode = WAL")
            with found.transaction() as c:
                if not c.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall():
                    _create(c)
        found.require_version(path)
        found._path, found._opened = path, (found.incarnation, path.stat().st_ino)
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
        with alone_with(self._lock):
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                self._require_current()
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
        query = f"SELECT {COLUMNS} FROM partitions WHERE {where}"  # noqa: S608 - no input in it
        return [record_of(row) for row in self.connection.execute(query, values)]

    def current(self, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Record]:
        """What is current of each of these (node, key), if there is anything."""
        query = f"SELECT {COLUMNS} FROM partitions WHERE node = ? AND key = ?"  # noqa: S608
        rows = (row for pair in wanted for row in self.connection.execute(query, pair))
        return {(r.node, r.key): r for r in map(record_of, rows)}

    def history(self, node: str, key: str) -> list[Record]:
        """Every materialization of a partition, the newest first."""
        columns = "node, key, start, content, code, inputs, reads, read_seq, rows, nbytes, sha256"
        rows = self.connection.execute(
            f"SELECT {columns}, made_at, run, how, seq, pinned, note, rules "  # noqa: S608
            "FROM materializations "
            "WHERE node = ? AND key = ? ORDER BY seq DESC",
            (node, key),
        )
        return [
            replace(
                record_of(
                    (*r[:11], None, None, None, None, *r[11:13], r[14], 0, None, r[15], r[17])
                ),
                how=r[13],
                note=r[16],
            )
            for r in rows
        ]

    def schemas(self, node: str) -> dict[int | None, str]:
        """The schemas that a node's partitions have, by number; None and 0 are of no text.

        One search of an index for each, however many partitions there are.
        """
        found: dict[int | None, str] = {}
        where = "node = ?1 AND content IS NOT NULL AND schema"
        ask = f"SELECT 1 FROM partitions WHERE {where} IS NULL LIMIT 1"  # noqa: S608 - no input
        if self.connection.execute(ask, (node,)).fetchall():
            found[None] = ""
        ask = (
            f"SELECT schema, (SELECT columns FROM schemas WHERE id = schema) FROM partitions "  # noqa: S608
            f"WHERE {where} > ?2 ORDER BY schema LIMIT 1"
        )
        last = -1
        while rows := self.connection.execute(ask, (node, last)).fetchall():
            last = int(str(rows[0][0]))
            found[last] = str(rows[0][1] or "")
        return found

    def unlooked(self, node: str, at_most: int = -1) -> list[str]:
        """The keys of what nobody has recorded the schema of."""
        where = "node = ? AND content IS NOT NULL AND schema IS NULL LIMIT ?"
        ask = f"SELECT key FROM partitions WHERE {where}"  # noqa: S608 - no input in it
        return [str(key) for (key,) in self.connection.execute(ask, (node, at_most))]

    def key_range(self, node: str) -> tuple[str, str]:
        """The first and the last key of a node that was ever claimed or observed."""
        ask = "SELECT min(key), (SELECT max(key) FROM partitions WHERE node = ?1) FROM partitions "
        rows = self.connection.execute(ask + "WHERE node = ?1", (node,)).fetchall()
        return str(rows[0][0] or ""), str(rows[0][1] or "")

    def shapes(self, node: str) -> dict[str, tuple[str, tuple[int, int, int, int]]]:
        """For each key of a node the text of its schema, "" if unknown, and its file's stat."""
        ask = "SELECT id, columns FROM schemas"
        texts = {int(str(i)): str(text) for i, text in self.connection.execute(ask)}
        ask = "SELECT key, schema, size, mtime_ns, ctime_ns, inode FROM partitions WHERE node = ?"
        rows: Iterable[tuple[Any, ...]] = self.connection.execute(ask, (node,))
        return {r[0]: (texts.get(r[1], ""), r[2:]) for r in rows}

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
        rows = self.connection.execute("SELECT node, version FROM nodes")
        return self.incarnation, {str(node): version_of(node, number) for node, number in rows}

    @property
    def incarnation(self) -> str:
        """What tells this metastore from one that is made anew in its place."""
        rows = self.connection.execute("SELECT value FROM meta WHERE name = 'incarnation'")
        with understood("its own number"):
            return str(rows.fetchall()[0][0])

    def effects(self) -> dict[str, int]:
        """For each effect that was seen, the ordinal that was its newest due one then."""
        rows = self.connection.execute("SELECT name, since FROM effects")
        return {str(name): int(str(since)) for name, since in rows}

    def begun(self) -> list[tuple[str, str, str]]:
        """The (effect, key, run) of effects that were begun and whose end is not recorded."""
        rows = self.connection.execute("SELECT node, key, run FROM begun ORDER BY node, key")
        return [(str(node), str(key), str(run)) for node, key, run in rows]

    def newest_at(self) -> int:
        """When what was made or seen last was, in epoch seconds; 0 if nothing was recorded.

        Or if nothing was since somebody said that the clock is right. What was brought back or
        vouched for has the time of when it was once made: it tells nothing of the clock.
        """
        rows = self.connection.execute(
            "SELECT made_at FROM materializations WHERE seq > "
            "coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'clock_trusted'), 0) "
            "AND how IN ('made', 'kept', 'done', 'observed') "
            "ORDER BY seq DESC LIMIT 1"
        ).fetchall()
        return int(str(rows[0][0])) if rows else 0

    def code_parts(self, digest: str) -> dict[str, str]:
        """The named parts of a code fingerprint; empty if it was never recorded."""
        rows = self.connection.execute("SELECT parts FROM codes WHERE digest = ?", (digest,))
        found = rows.fetchall()
        with understood(f"the code {digest}"):
            return dict(json.loads(str(found[0][0]))) if found else {}

    def code_rules(self, digests: Iterable[str]) -> dict[str, int]:
        """Of those that were ever recorded, the last rules by which each was a fingerprint."""
        found: dict[str, int] = {}
        for digest in digests:
            rows = self.connection.execute("SELECT rules FROM codes WHERE digest = ?", (digest,))
            with understood(f"the code {digest}"):
                found.update((digest, int(str(rules))) for (rules,) in rows)
        return found

    # --- writing: each is one transaction ------------------------------------------------------

    def observe(self, records: Sequence[Record], touched: Sequence[Record]) -> None:
        """Record sources' new contents, and new identities of files with the content they had."""
        with self.transaction() as c:
            count_changes(c, (r.node for r in records))
            count_changes(c, (r.node for r in touched), restated=True)
            for record in records:
                put(c, record, epoch=None)
            for record in touched:
                identity = record.identity
                assert identity is not None
                c.execute(
                    "UPDATE partitions SET size = ?, mtime_ns = ?, ctime_ns = ?, inode = ?, "
                    "nbytes = ?, sha256 = ?, rules = ? WHERE node = ? AND key = ?",
                    (
                        identity.size,
                        identity.mtime_ns,
                        identity.ctime_ns,
                        identity.inode,
                        identity.size,
                        record.sha256,
                        record.rules,
                        record.node,
                        record.key,
                    ),
                )

    def describe(self, found: Iterable[tuple[str, str, str | None, str]]) -> None:
        """Record schemas that were looked up: (node, key, content, schema), "" where there is none.

        Each holds for the content that was looked at, and for no other.
        """
        looked = list(found)
        with self.transaction() as c:
            count_changes(c, (node for node, _, _, _ in looked), restated=True)
            for node, key, content, text in looked:
                c.execute(
                    "UPDATE partitions SET schema = ? WHERE node = ? AND key = ? AND content = ?",
                    (schema_id(c, text) if text else 0, node, key, content),
                )

    def trust_clock(self) -> None:
        """Note that what was recorded up to now says nothing against the clock."""
        with self.transaction() as c:
            c.execute("INSERT OR REPLACE INTO meta VALUES ('clock_trusted', ?)", (str(self.seq),))

    @property
    def shown(self) -> str:
        """The digest of the declarations for which the catalog was written last; "" if none was."""
        rows = self.connection.execute("SELECT value FROM meta WHERE name = 'shown'").fetchall()
        return str(rows[0][0]) if rows else ""

    def note_shown(self, digest: str) -> None:
        """Note for which declarations the catalog was written."""
        with self.transaction() as c:
            c.execute("INSERT OR REPLACE INTO meta VALUES ('shown', ?)", (digest,))

    def begin(self, codes: Mapping[str, CodeRecord], effects: dict[str, int]) -> None:
        """Record code fingerprints with their parts, and effects that were first seen now."""
        with self.transaction() as c:
            _begin(c, codes, effects)

    def restore(
        self,
        records: Sequence[Record],
        first: int,
        codes: Mapping[str, CodeRecord],
        effects: dict[str, int],
        begun: Iterable[tuple[str, str, str]] = (),
    ) -> None:
        """Fill an empty metastore with what is known from elsewhere, numbered from `first` on.

        `begun` are effects as `begun()` gives them.
        """
        with self.transaction() as c:
            _begin(c, codes, effects)
            _begin_effects(c, begun)
            count_changes(c, (r.node for r in records))
            for seq, record in enumerate(records, first):
                put(c, record, epoch=None, seq=seq)

    def unknown(
        self, codes: Mapping[str, CodeRecord], effects: dict[str, int], anew: frozenset[str]
    ) -> tuple[dict[str, CodeRecord], dict[str, int]]:
        """Those code fingerprints, by these rules or later ones, and effects not recorded yet.

        With the effects that are to be recorded `anew`.
        """
        known = self.code_rules(codes)
        seen = self.effects()
        return (
            {d: c for d, c in codes.items() if known.get(d, 0) < c.rules},
            {n: o for n, o in effects.items() if n not in seen or n in anew},
        )

    def claim(
        self,
        owner: str,
        wanted: Iterable[tuple[str, str, int]],
        begun: Iterable[tuple[str, str]] = (),
    ) -> dict[tuple[str, str], int]:
        """Raise the epoch of each (node, key, start) by one; the new epochs.

        `begun` are the (effect, key) of effects that the owner begins now.
        """
        found = {}
        with self.transaction() as c:
            _begin_effects(c, ((node, key, owner) for node, key in begun))
            for node, key, start in wanted:
                rows = c.execute(
                    "INSERT INTO partitions (node, key, start, epoch, owner) "
                    "VALUES (?, ?, ?, 1, ?) ON CONFLICT (node, key) "
                    "DO UPDATE SET epoch = epoch + 1, owner = excluded.owner RETURNING epoch",
                    (node, key, start, owner),
                )
                found[node, key] = int(str(rows.fetchall()[0][0]))
        failpoint("claimed")
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
        failpoint("intended")

    def check(self, intents: Sequence[Intent]) -> None:
        """Raise PublishError if another owner has claimed any of them since.

        Or if this metastore is no longer the one in its place: its epochs say nothing then.
        """
        self._require_current()
        for intent in intents:
            _check_epoch(self.connection, intent)
        failpoint("checked")

    def commit(self, intents: Sequence[Intent], also: Also | None = None) -> None:
        """Make the records of published intents current, by compare-and-swap on their epochs.

        What is `also` to be written is so in the same transaction.
        """
        with self.transaction() as c:
            if also is not None:
                also(c)
            count_changes(c, (i.node for i in intents))
            for intent in intents:
                _check_epoch(c, intent)
                put(c, intent.record, epoch=intent.epoch)
            end_effects(c, ((i.node, i.key, i.run) for i in intents if i.record.how == "done"))
            drop_intents(c, intents)
        failpoint("recorded")

    def intents(self) -> list[Intent]:
        """What was intended and never committed: a run died, or is at it now."""
        rows = self.connection.execute(
            "SELECT step, node, key, epoch, staged, old_sha256, new_sha256, record "
            "FROM intents ORDER BY id"
        )
        return [intent_of(row) for row in rows]

    def abandon(self, intents: Sequence[Intent]) -> None:
        """Forget intents whose files were not renamed."""
        with self.transaction() as c:
            drop_intents(c, intents)
        failpoint("abandoned")

    def fail(
        self, owner: str, failures: Sequence[tuple[str, str, str]], also: Also | None = None
    ) -> None:
        """Record (node, key, message) of steps that failed, unless another has claimed them since.

        What is `also` to be written is so in the same transaction.
        """
        with self.transaction() as c:
            if also is not None:
                also(c)
            count_changes(c, (node for node, _, _ in failures), restated=True)
            c.executemany(
                "UPDATE partitions SET failure = ?3 WHERE node = ?1 AND key = ?2 AND owner = ?4",
                [(*failure, owner) for failure in failures],
            )

    def end_effects(self, ended: Sequence[tuple[str, str, str]]) -> None:
        """Take it for known what became of each (effect, key, run) that was begun."""
        with self.transaction() as c:
            end_effects(c, ended)

    @property
    def is_current(self) -> bool:
        """Whether no other incarnation took the place of what was opened."""
        if self._path is None:
            return True
        try:
            inode = self._path.stat().st_ino
        except FileNotFoundError:
            inode = -1
        return (self.incarnation, inode) == self._opened

    def _require_current(self) -> None:
        """Raise PublishError if another incarnation took the place of what was opened.

        Or if the lease was taken away: then another run may be at the same.
        """
        if not self.may_write():
            raise PublishError(
                "the lease of this run is gone: somebody removed its file, and another run may "
                "have begun; nothing more of it is published: run again"
            )
        if not self.is_current:
            raise PublishError(
                f"{self._path} is no longer the metastore that this run began with; nothing more "
                "of it is published: run again"
            )

    def require_version(self, path: Path) -> None:
        """Migrate an older schema; MetastoreError if it is a newer one, or none of ours."""
        try:
            rows = self.connection.execute(
                "SELECT value FROM meta WHERE name = 'schema'"
            ).fetchall()
            version = int(str(rows[0][0]))
        except (apsw.CorruptError, apsw.NotADBError) as error:
            raise damaged(path, error) from None
        except (apsw.Error, IndexError, ValueError):
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


def _begin(c: apsw.Connection, codes: Mapping[str, CodeRecord], effects: dict[str, int]) -> None:
    for digest, code in codes.items():
        c.execute(
            "INSERT INTO codes (digest, parts, rules) VALUES (?, ?, ?) "
            "ON CONFLICT (digest) DO UPDATE SET rules = max(rules, excluded.rules)",
            (digest, json.dumps(dict(code.parts)), code.rules),
        )
    for name, since in effects.items():
        c.execute("INSERT OR REPLACE INTO effects VALUES (?, ?)", (name, since))


def _create(connection: apsw.Connection) -> None:
    connection.execute(
        resources.files("partflow.metastore.sqlite").joinpath("tables.sql").read_text("utf-8")
    )
    connection.execute("INSERT INTO meta VALUES ('schema', ?)", (str(SCHEMA_VERSION),))
    connection.execute("INSERT INTO meta VALUES ('incarnation', ?)", (os.urandom(8).hex(),))


def _begin_effects(c: apsw.Connection, begun: Iterable[tuple[str, str, str]]) -> None:
    c.executemany("INSERT OR REPLACE INTO begun VALUES (?, ?, ?)", begun)


def end_effects(c: apsw.Connection, ended: Iterable[tuple[str, str, str]]) -> None:
    """The end of each (effect, key, run) is known, within the caller's transaction.

    What another run has begun since stays begun.
    """
    c.executemany("DELETE FROM begun WHERE node = ? AND key = ? AND run = ?", ended)


def drop_intents(c: apsw.Connection, intents: Sequence[Intent]) -> None:
    """Forget what was intended, within the caller's transaction."""
    c.executemany(
        "DELETE FROM intents WHERE node = ? AND key = ? AND epoch = ?",
        [(i.node, i.key, i.epoch) for i in intents],
    )


def _check_epoch(c: apsw.Connection, intent: Intent) -> None:
    rows = c.execute(
        "SELECT epoch, owner FROM partitions WHERE node = ? AND key = ?", (intent.node, intent.key)
    ).fetchall()
    if not rows or rows[0][0] != intent.epoch:
        other = rows[0][1] if rows else "?"
        raise PublishError(
            f"{intent.node}@{shown_key(intent.key)} is not published: another run "
            f"({other}) has claimed it since; what it makes stands"
        )
