"""Where bytes lie: one file a partition at a fixed name, staged apart, replaced by rename.

Knows nothing of what a file holds, of records or of plans. Staged and kept files never end in
`.parquet` and lie outside of every dataset: nothing else hides a file from `**/*.parquet`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from partflow.content import file_digest
from partflow.dataset import Dataset, Source
from partflow.errors import PublishError
from partflow.record import FileIdentity

if TYPE_CHECKING:
    from numpy.typing import NDArray

DATA_NAMES = {"parquet": "data.parquet", "skops": "data.skops"}
KEPT = 2
"""How many replaced materializations of a partition are kept in the history."""

_BACKDATED_NS = 2_000_000_000
CLOCK_STEP_NS = 20_000_000
_COARSE_STEP_NS = 2_000_000_000
_NONE = (-1, -1, -1, -1)


class Store:
    """The warehouse's files, below `warehouse`, and the sources' files below `root`."""

    def __init__(self, root: Path, warehouse: Path, *, durable: bool = True) -> None:
        self.root = root
        self.warehouse = warehouse
        self.durable = durable

    @property
    def private(self) -> Path:
        """The folder of partflow's own, apart from all datasets."""
        return self.warehouse / ".partflow"

    def path(self, dataset: Dataset, key: str) -> Path:
        """The one place of a partition's file."""
        if isinstance(dataset, Source):
            return self.root / dataset.path_of(key)
        name = DATA_NAMES[dataset.format]
        if dataset.column is None:
            return self.warehouse / dataset.name / name
        return self.warehouse / dataset.name / f"{dataset.column}={key}" / name

    @property
    def columns(self) -> Path:
        """The folder of the cached columns of the metastore."""
        return self.private / "columns"

    def staging(self, run: str) -> Path:
        """The folder in which a run stages; made if it is not there."""
        found = self.private / "staging" / run
        found.mkdir(parents=True, exist_ok=True)
        return found

    def identities(self, dataset: Dataset, keys: Sequence[str]) -> NDArray[np.int64]:
        """What stat says of each partition's file, shape (n, 4) as `FileIdentity`; -1: no file.

        One listing of each folder concerned, then one stat a file that is listed. A million
        partitions are a million paths: texts, as pathlib costs more than the stat.
        """
        if isinstance(dataset, Source) or dataset.column is None:
            if isinstance(dataset, Source):
                paths = [f"{self.root}/{dataset.path_of(key)}" for key in keys]
            else:
                paths = [str(self.path(dataset, key)) for key in keys]
            split = [os.path.split(p) for p in paths]
            listed = {folder: _names(folder) for folder in {folder for folder, _ in split}}
            found = [name in listed[folder] for folder, name in split]
        else:
            folder, name = f"{self.warehouse}/{dataset.name}", DATA_NAMES[dataset.format]
            there = _names(folder)
            parts = [f"{dataset.column}={key}" for key in keys]
            paths = [f"{folder}/{part}/{name}" for part in parts]
            found = [part in there for part in parts]
        return np.array(
            [_stat(p) if is_listed else _NONE for p, is_listed in zip(paths, found, strict=True)],
            np.int64,
        ).reshape(len(keys), 4)

    def seal(self, staged: Path) -> tuple[str, int]:
        """Make a staged file durable; its SHA-256 and size.

        Its time of modification is set back by two seconds, so that an edit by somebody else can
        never fall on the same step of the clock as our own writing.
        """
        digest, size = file_digest(staged)
        with staged.open("rb") as file:
            stat = os.fstat(file.fileno())
            os.utime(file.fileno(), ns=(stat.st_atime_ns, stat.st_mtime_ns - _BACKDATED_NS))
            if self.durable:
                os.fsync(file.fileno())
        return digest, size

    def publish(self, staged: Path, dataset: Dataset, key: str, seq: int) -> FileIdentity:
        """Rename a sealed file into its place; what it replaces is kept in the history first.

        Requires: the lock of this partition is held.
        """
        final = self.path(dataset, key)
        created = _made_folders(final.parent, self.warehouse)
        if final.exists():
            self.keep(dataset, key, seq)
        staged.replace(final)
        if self.durable:
            for folder in (final.parent, *created):
                _sync_folder(folder)
        found = identity(final)
        if found is None:
            raise PublishError(f"{final} vanished right after it was published; run again")
        return found

    def keep(self, dataset: Dataset, key: str, seq: int) -> None:
        """Link (or copy) a partition's present file into the history, and drop the oldest there."""
        folder = self.private / "history" / dataset.name / (key or "all")
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder / f"{seq:012d}.kept"
        final = self.path(dataset, key)
        kept.unlink(missing_ok=True)
        try:
            os.link(final, kept)
        except OSError:
            shutil.copy2(final, kept)
        for old in sorted(folder.glob("*.kept"))[:-KEPT]:
            old.unlink(missing_ok=True)

    @contextmanager
    def locked(self, partitions: Iterable[tuple[str, str]]) -> Iterator[None]:
        """Hold the locks of (dataset, key) pairs: one byte each of a lock file a dataset.

        Taken in order, so that two owners never wait for one another.
        """
        places = sorted({(name, _slot(key)) for name, key in partitions})
        folder = self.private / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            files = {n: stack.enter_context((folder / f"{n}.lock").open("ab")) for n, _ in places}
            for name, slot in places:
                fcntl.lockf(files[name], fcntl.LOCK_EX, 1, slot)
            yield

    def journal(self, lines: Sequence[str]) -> None:
        """Append lines, durably, to what a rebuild of the metastore needs beside the footers."""
        if not lines:
            return
        with (self.private / "journal.jsonl").open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            if self.durable:
                os.fsync(file.fileno())

    def sweep(self, run: str, wanted: Collection[str] = ()) -> None:
        """Remove what a run staged and did not publish, but for the `wanted` paths."""
        folder = self.private / "staging" / run
        for name in sorted(_names(folder)):
            if str(folder / name) not in wanted:
                (folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()

    def staged_runs(self) -> list[str]:
        """The runs that have something staged."""
        return sorted(_names(self.private / "staging"))


def identity(path: Path) -> FileIdentity | None:
    """What stat says of a file; None if there is none."""
    found = _stat(str(path))
    return None if found is _NONE else FileIdentity(*found)


def _stat(path: str) -> tuple[int, int, int, int]:
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return _NONE
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def is_settled(found: FileIdentity, now_ns: int) -> bool:
    """Whether a file is older than its clock's step, so that a later edit must change its stat.

    A whole second stands for a file system that keeps no finer times.
    """
    step = _COARSE_STEP_NS if found.mtime_ns % 1_000_000_000 == 0 else CLOCK_STEP_NS
    return max(found.mtime_ns, found.ctime_ns) < now_ns - step


def _slot(key: str) -> int:
    """A byte of the lock file for a key; two keys on one byte only wait for one another."""
    digest = hashlib.blake2b(key.encode(), digest_size=4).digest()
    return int(struct.unpack("<I", digest)[0]) & 0x7FFFFFFF


def _names(folder: Path | str) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {e.name for e in entries}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def _made_folders(folder: Path, top: Path) -> list[Path]:
    """Make a folder with its parents; the parents of those that were new, to be synced."""
    new = []
    here = folder
    while not here.exists() and here != top.parent:
        new.append(here.parent)
        here = here.parent
    folder.mkdir(parents=True, exist_ok=True)
    return new


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
