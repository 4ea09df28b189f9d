"""Tells when the project's files have changed, and when nothing has changed for a moment.

Knows nothing of what is in them: only a child imports modules. It looks at the stat of every module
below the jobs, of the configuration, and of what a child says that it has imported.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SETTLES = 2.0
"""For how many seconds nothing may have changed before the project is loaded."""

_SUFFIXES = (".py", ".sql", ".toml")
_CONFIGURATIONS = ("partflow.toml", "pyproject.toml")

Edition = frozenset[tuple[str, int, int, int]]
"""The files of a project, each with its time of modification, size and inode."""


@dataclass(slots=True)
class Editions:
    """The state of a project's files, and since when it has been so, in seconds.

    `files` are further ones than those below the folders of the `jobs`.
    """

    root: Path
    jobs: Sequence[str]
    files: frozenset[str] = frozenset()
    _last: Edition = field(default=frozenset())
    _since: float | None = field(default=None)

    def present(self, now: float) -> Edition:
        """The present state; `now` is in seconds, by a clock that only goes forward."""
        edition = frozenset(_stats(self._paths()))
        if edition != self._last:
            self._since = now if self._last else now - SETTLES
            self._last = edition
        return edition

    def settles_in(self, now: float) -> float:
        """In how many seconds the state that was seen last counts as settled; 0 if it does."""
        return 0.0 if self._since is None else max(0.0, self._since + SETTLES - now)

    def includes(self, files: Iterable[str]) -> None:
        """From now on look at these files, too, without taking that for a change."""
        more = frozenset(files)
        if not more <= self.files:
            since = self._since
            self.files |= more
            self._last, self._since = frozenset(_stats(self._paths())), since

    def _paths(self) -> Iterator[str]:
        for name in _CONFIGURATIONS:
            yield f"{self.root}{os.sep}{name}"
        for job in self.jobs:
            for folder in (self.root, self.root / "src"):
                place = folder.joinpath(*job.split("."))
                yield f"{place}.py"
                yield from _below(str(place))
        yield from self.files


def _below(folder: str) -> Iterator[str]:
    """The paths of all modules and their SQL below a folder; none if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(_SUFFIXES):
                    yield entry.path
                elif not entry.name.startswith((".", "__")) and entry.is_dir():
                    yield from _below(entry.path)
    except OSError:
        return


def _stats(paths: Iterable[str]) -> Iterator[tuple[str, int, int, int]]:
    for path in paths:
        try:
            stat = os.stat(path)  # noqa: PTH116 - of many files, each second
        except OSError:
            continue
        yield path, stat.st_mtime_ns, stat.st_size, stat.st_ino
