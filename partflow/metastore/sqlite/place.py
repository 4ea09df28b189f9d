"""Where a project's SQLite metastore lies: how it is opened, found damaged, and made anew.

Knows nothing of what is recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import apsw

from partflow.errors import MetastoreError
from partflow.metastore.record import Known
from partflow.metastore.sqlite.file import damage_of, is_empty, problem_of, require_file
from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.store.failpoints import failpoint
from partflow.store.protocol import Store

SIDES = ("", "-wal", "-shm", "-journal")
"""What SQLite puts after a file's name for the files that belong to it."""


@dataclass(frozen=True, slots=True)
class SqlitePlace:
    """The file at `path`, as durable as the store beside it. See `MetastorePlace`."""

    path: Path
    store: Store

    @property
    def place(self) -> str:
        """Its path, from the project's folder if it lies below."""
        return str(self.store.layout.near(self.path))

    @property
    def is_empty(self) -> bool:
        """Whether there is no file, or one without a byte."""
        return is_empty(self.path)

    def opened(self) -> AbstractContextManager[SqliteMetastore]:
        """Open it to write."""
        return SqliteMetastore.open(self.path, durable=self.store.durable)

    def looked_at(self, *, or_nothing: bool = False) -> AbstractContextManager[SqliteMetastore]:
        """Open it to look; an empty one in memory where there is none."""
        try:
            return SqliteMetastore.open_existing(self.path)
        except (MetastoreError, OSError, apsw.Error):
            if not or_nothing:
                raise
            return SqliteMetastore.in_memory()

    def problem_of(self, error: Exception) -> str | None:
        """What is wrong with an open file that raised this error; SQLite does not name it."""
        problem = problem_of(error)
        return None if problem is None else f"{self.path} {problem}"

    def damage(self) -> str | None:
        """What is wrong with the file."""
        return damage_of(self.path)

    def made_anew(self, known: Known) -> str | None:
        """Make a new file beside the old one, move that aside, and put the new one in its place."""
        require_file(self.path)
        new = self.path.with_suffix(".new")
        for left in _sides(new):
            left.unlink(missing_ok=True)
        with SqliteMetastore.open(new, durable=self.store.durable) as metastore:
            metastore.restore(known)
            metastore.fold_in()
        aside = self._moved_aside()
        failpoint("set_aside")
        for error in self.store.sync([new]).values():
            raise error
        new.replace(self.path)
        for error in self.store.sync([self.path.parent]).values():
            raise error
        return None if aside is None else str(aside)

    def leftovers(self) -> Sequence[Path]:
        """The parts of a new file that `made_anew` left."""
        return [path for path in _sides(self.path.with_suffix(".new")) if path.exists()]

    def _moved_aside(self) -> Path | None:
        """Move the file to a name that is free; returns that name, or None if there is no file."""
        old = [path for path in _sides(self.path) if path.exists()]
        if not old:
            return None
        number = 1
        while any(self.path.parent.glob(f"{self.path.stem}.replaced{number}*")):
            number += 1
        aside = self.path.with_suffix(f".replaced{number}")
        for path in old:
            path.rename(f"{aside}{path.name.removeprefix(self.path.name)}")
        return aside


def _sides(path: Path) -> list[Path]:
    """The file at a path and those that SQLite puts beside it, whether they are there or not."""
    return [Path(f"{path}{side}") for side in SIDES]
