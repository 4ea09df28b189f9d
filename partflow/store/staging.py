"""The folder on this machine in which runs stage their files, for every kind of store.

Knows nothing of where partitions lie. It is a folder because polars and other engines write files.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

from partflow.store.failpoints import failpoint
from partflow.store.identity import BACKDATED_NS
from partflow.store.layout import Layout, staged_name
from partflow.store.stats import listed
from partflow.store.syncing import Syncing


class LocalStaging:
    """Stages below `layout.staging`; if it is not `durable`, nothing is synced."""

    def __init__(self, layout: Layout, *, durable: bool) -> None:
        self.layout = layout
        self.durable = durable
        self._syncing = Syncing(layout.staging)
        self._run = ""

    def stage(self, name: str) -> Path:
        """The path to write for a name RUN/FILE; its folder is made."""
        path = self.layout.staged(name)
        run = path.parent.name
        if run != self._run:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._run = run
        return path

    def seal(self, name: str) -> tuple[int, int, int]:
        """Backdate a staged file that is written; returns its size, mtime (ns) and inode.

        Its time of modification is set back by two seconds, so that a later edit cannot fall on the
        same step of the clock. It does not make the file durable: `sync` does.
        """
        failpoint("staged")
        path = self.layout.staged_place(name)
        stat = os.stat(path)
        backdated = stat.st_mtime_ns - BACKDATED_NS
        os.utime(path, ns=(stat.st_atime_ns, backdated))
        failpoint("sealed")
        return stat.st_size, backdated, stat.st_ino

    def discard(self, names: Iterable[str]) -> None:
        """Remove staged files; names that have no file are ignored."""
        for name in names:
            self.layout.staged(name).unlink(missing_ok=True)

    def sweep(self, run: str, wanted: Collection[str] = ()) -> None:
        """Remove what a run staged and did not publish, except the `wanted` names."""
        folder, wanted = self.layout.staging / run, set(map(staged_name, wanted))
        self._run = ""
        for name in sorted(listed(folder)):
            if f"{run}/{name}" not in wanted:
                (folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()

    def staged_runs(self) -> list[str]:
        """The runs that have a folder of staged files; links do not count."""
        folder = self.layout.staging
        return sorted(name for name in listed(folder) if not (folder / name).is_symlink())

    def sync(self, paths: Collection[Path | str]) -> dict[str, OSError]:
        """Make files and folders durable, all together; returns the errors by path.

        A file that the disk refused must not be trusted, nor synced again: a second sync could
        succeed without its data.
        """
        if not self.durable or not paths:
            return {}
        errors = self._syncing.sync([str(path) for path in paths])
        failpoint("synced")
        return errors
