"""A metastore's open SQLite file: its connection, its transactions, its schema.

Knows nothing of what is recorded. Transactions are short, begin IMMEDIATE behind a `flock`
(SQLite's busy timeout starves waiting writers), and do no file I/O inside. SQLite comes from apsw:
the builds in many Pythons can corrupt a WAL under concurrent checkpoints.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Self

import apsw

from partflow.errors import MetastoreError, PublishError, understood
from partflow.metastore.sqlite.file import connected, damaged, is_filled, make_folder
from partflow.metastore.sqlite.statements import Statements, sql_in
from partflow.store.opening import alone_with

SCHEMA_VERSION = 5

_SQL = Statements("database")
_MIGRATIONS = Statements("migrations")


class Database:
    """One open file; `open` makes or migrates it, the constructor does not.

    `lock` is the file whose lock writers wait for; None in memory, where there is one writer.
    `may_write` is asked within each transaction: whether the lease of who writes is still held.
    What reads raises MetastoreError if what is recorded cannot be understood, and what writes
    raises PublishError if that lease is gone or if another incarnation took this one's place.
    """

    def __init__(self, connection: apsw.Connection, lock: Path | None) -> None:
        self._connection = connection
        self._lock = lock
        self.may_write: Callable[[], bool] = lambda: True
        self._path: Path | None = None
        self._opened: tuple[str, int] = ("", 0)

    @classmethod
    def open(cls, path: Path, *, durable: bool = True) -> Self:
        """The metastore at `path`, which is made if there is none. The caller closes it.

        MetastoreError if the file can't be opened, or is no metastore that this partflow knows.
        """
        make_folder(path.parent, durable=durable)
        opened = cls(connected(path, durable=durable), path.with_suffix(".lock"))
        if not is_filled(opened._connection):
            opened._connection.execute("PRAGMA journal_mode = WAL")
            with opened._transaction() as c:
                if not is_filled(c):
                    _create(c)
        opened._require_version(path)
        opened._path, opened._opened = path, (opened.incarnation, path.stat().st_ino)
        return opened

    @classmethod
    def open_existing(cls, path: Path) -> Self:
        """The metastore at `path`, or an empty one in memory: reading makes no file.

        MetastoreError as of `open`.
        """
        return cls.open(path) if path.exists() else cls.in_memory()

    @classmethod
    def in_memory(cls) -> Self:
        """An empty metastore without a file, for tests and for whoever only reads."""
        opened = cls(apsw.Connection(":memory:"), None)
        _create(opened._connection)
        return opened

    def close(self) -> None:
        """Close the file; the last one to close it folds the write-ahead log in."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Itself, which is closed at the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def fold_in(self) -> None:
        """Fold the write-ahead log into the file, so that the file can be moved alone.

        Closing does that too, but does not tell if the disk refuses. MetastoreError if another
        process has the file open.
        """
        (is_busy, *_), *_ = self._ask(_SQL["fold_in"])
        if is_busy:
            raise MetastoreError(
                f"{self._path} is held open by another process; end that, and try again"
            )

    @property
    def incarnation(self) -> str:
        """What distinguishes this metastore from one that is made anew in its place.

        MetastoreError if it is damaged.
        """
        with understood("its own number"):
            return str(self._ask(_SQL["incarnation"])[0][0])

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

    def _ask(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of an answer, outside of a transaction."""
        return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[apsw.Connection]:
        """One durable transaction, behind the writers' lock file."""
        with nullcontext() if self._lock is None else alone_with(self._lock):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._require_current()
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def _require_current(self) -> None:
        """Raise PublishError if the lease is gone, or another incarnation took this one's place."""
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

    def _require_version(self, path: Path) -> None:
        """Migrate an older schema; MetastoreError if it is a newer one, or none of ours."""
        try:
            version = int(str(self._ask(_SQL["schema"])[0][0]))
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
            with self._transaction() as c:
                # Another process may have done it since.
                if c.execute(_SQL["schema"]).fetchall() == [(str(old),)]:
                    c.execute(_MIGRATIONS[f"from_{old}"])
                    c.execute(_SQL["set_schema"], (str(old + 1),))


def _create(c: apsw.Connection) -> None:
    c.execute(sql_in("tables"))
    c.execute(_SQL["note"], ("schema", str(SCHEMA_VERSION)))
    c.execute(_SQL["note"], ("incarnation", os.urandom(8).hex()))
