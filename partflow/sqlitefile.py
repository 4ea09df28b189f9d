"""The file of a metastore: how it is opened, and what is wrong with it.

Knows nothing of its tables but the one that says that it is ours.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw

from partflow.errors import MetastoreError


def connected(path: Path, *, durable: bool) -> apsw.Connection:
    """A connection to the file, which is made if it is not there; MetastoreError if it can't be."""
    try:
        connection = apsw.Connection(str(path))
        connection.set_busy_timeout(30_000)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    except apsw.Error as error:
        raise damaged(path, error) from None
    return connection


def damaged(path: Path, error: apsw.Error) -> MetastoreError:
    """What is said of a file that SQLite refuses."""
    return MetastoreError(
        f"{path} cannot be opened as a metastore ({error}); if it is damaged, `partflow state "
        "rebuild` makes it anew from the files and the journal, or restore a backup of it"
    )


def is_empty(path: Path) -> bool:
    """Whether there is no metastore at `path`, or one without a byte."""
    try:
        return not path.stat().st_size
    except FileNotFoundError:
        return True


def damage_of(path: Path) -> str | None:
    """What is wrong with the file of a metastore, read through; None if nothing is."""
    if is_empty(path):
        return "it is empty" if path.exists() else "there is none"
    try:
        with closing(connected(path, durable=True)) as found:
            if not found.execute("SELECT 1 FROM meta WHERE name = 'schema'").fetchall():
                return "it is no metastore of partflow's"
            said = str(found.execute("PRAGMA quick_check(1)").fetchall()[0][0])
    except (apsw.Error, MetastoreError) as error:
        return str(error)
    return None if said == "ok" else said
