"""The file of a metastore: how it is opened, and what is wrong with it.

Knows nothing of its tables but the one that says that it is ours.
"""

from __future__ import annotations

import os
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

import apsw

from partflow.errors import MetastoreError
from partflow.metastore.sqlite.statements import Statements
from partflow.store.syncing import sync_one

_SQL = Statements("file")
_ANEW = "restore a backup, or `partflow state rebuild` makes it anew from the files and the journal"


def make_folder(folder: Path, *, durable: bool) -> None:
    """Make a folder with its parents; if `durable`, they are still there after a power cut."""
    new = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in new if durable else ():
        sync_one(each.parent)


def connected(path: Path, *, durable: bool) -> apsw.Connection:
    """A connection to the file, which is made if there is none; MetastoreError if that fails.

    If this user may not write in the folder, it is a connection to read with; not while a run has
    the file open, or after one was killed with it.
    """
    _make_by_umask(path)
    try:
        return _opened(apsw.Connection(str(path)), durable=durable)
    except (apsw.ReadOnlyError, apsw.CantOpenError) as error:
        require_file(path)
        if not path.exists() or os.access(path.parent, os.W_OK):
            raise damaged(path, error) from None
    except apsw.Error as error:
        raise damaged(path, error) from None
    try:
        if Path(f"{path}-wal").exists():
            raise apsw.ReadOnlyError("a run may be at it")  # what is in the log would not be read
        uri = f"file:{quote(str(path))}?immutable=1"
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        return _opened(apsw.Connection(uri, flags), durable=durable)
    except apsw.Error as error:
        raise MetastoreError(
            f"{path} cannot be read by who may not write in its folder ({error}); look at the "
            "permissions there, or look again when no run goes on"
        ) from None


def _make_by_umask(path: Path) -> None:
    """Make the file if there is none, with all rights that the umask leaves.

    SQLite would let nobody but the owner write. It gives the files beside it the same rights.
    """
    with suppress(OSError):  # SQLite says what is wrong
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))


def _opened(connection: apsw.Connection, *, durable: bool) -> apsw.Connection:
    connection.set_busy_timeout(30_000)
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    is_filled(connection)  # SQLite reads nothing of a file before it is asked
    return connection


def is_filled(connection: apsw.Connection) -> bool:
    """Whether a SQLite file has any table; apsw.Error if it cannot be read."""
    return bool(connection.execute(_SQL["any_table"]).fetchall())


def require_file(path: Path) -> None:
    """Raise MetastoreError for a folder: it is somebody's, and must not be moved aside."""
    if path.is_dir():
        raise MetastoreError(
            f"{path} is a folder, and no metastore; move it away, or name a file with "
            "metastore = '...'"
        )


def damaged(path: Path, error: apsw.Error) -> MetastoreError:
    """The error to raise for a file that SQLite refuses."""
    of_disk = isinstance(error, apsw.IOError | apsw.FullError)
    room = "make room if its disk is full, and run again; " if of_disk else ""
    return MetastoreError(
        f"{path} cannot be opened as a metastore ({error}); {room}if it is damaged, {_ANEW}"
    )


def problem_of(error: Exception) -> str | None:
    """What is wrong with a metastore's file that was opened before, and what to do.

    None unless the error is of damage, or of a disk that refuses. What was intended then is
    finished or undone by the next run.
    """
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return f"is damaged ({error}); {_ANEW}"
    if isinstance(error, apsw.FullError | apsw.IOError | apsw.ReadOnlyError | apsw.CantOpenError):
        advice = "make room, or look at its permissions, and run again"
        return f"cannot be read or written ({error}); {advice}"
    return None


def is_empty(path: Path) -> bool:
    """Whether there is no metastore at `path`, or one without a byte."""
    try:
        return not path.stat().st_size
    except FileNotFoundError:
        return True


def damage_of(path: Path) -> str | None:
    """What is wrong with the file of a metastore, which is read to its end; None if nothing is."""
    if is_empty(path):
        return "it is empty" if path.exists() else "there is none"
    try:
        with closing(connected(path, durable=True)) as connection:
            if not connection.execute(_SQL["is_ours"]).fetchall():
                return "it is no metastore of partflow's"
            answer = str(connection.execute("PRAGMA quick_check(1)").fetchall()[0][0])
    except (apsw.Error, MetastoreError) as error:
        return str(error)
    return None if answer == "ok" else answer
