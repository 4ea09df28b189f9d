"""Where bytes lie: one file a partition at a fixed name, staged apart, replaced by rename.

Knows nothing of what a file holds, of records or of plans. Staged and kept files never end in
`.parquet` and lie outside of every dataset: nothing else hides a file from `**/*.parquet`.
"""

from __future__ import annotations

import errno
import fcntl
import filecmp
import hashlib
import os
import shutil
import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from partflow.declarations.dataset import Dataset, Source
from partflow.errors import naming
from partflow.store.failpoints import failpoint
from partflow.store.identity import BACKDATED_NS
from partflow.store.manystats import Files, stats_of
from partflow.store.opening import at_once
from partflow.store.stats import listed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KEPT = 2
"""How many replaced materializations of a partition are kept, if nothing else is said."""
_SIDE_BY_SIDE = 8


class Store:
    """The warehouse's files, below `warehouse`, and the sources' files below `root`."""

    def __init__(
        self, root: Path, warehouse: Path, *, durable: bool = True, history: int = KEPT
    ) -> None:
        self.root = root
        self.warehouse = warehouse
        self.durable = durable
        self.history = history
        self._top = str(warehouse)
        self._pool: ThreadPoolExecutor | None = None
        self._staging: Path | None = None
        self._is_anchored = False

    @property
    def private(self) -> Path:
        """The folder of partflow's own, apart from all datasets."""
        return self.warehouse / ".partflow"

    def path(self, dataset: Dataset, key: str) -> Path:
        """The one place of a partition's file."""
        if isinstance(dataset, Source):
            return self.root / dataset.path_of(key)
        return Path(self.place(dataset, key))

    def place(self, dataset: Dataset, key: str) -> str:
        """The text of `path`: joining paths costs more than a stat."""
        if isinstance(dataset, Source):
            return str(self.path(dataset, key))
        name, column = dataset.stored_as.file_name, dataset.column
        part = "" if column is None else f"{column}={key}/"
        return f"{self._top}/{dataset.name}/{part}{name}"

    @property
    def columns(self) -> Path:
        """The folder of the cached columns of the metastore."""
        return self.private / "columns"

    @property
    def journal_path(self) -> Path:
        """The file of what a rebuild of the metastore needs beside the footers."""
        return self.private / "journal.jsonl"

    def kept(self, name: str, key: str) -> dict[int, Path]:
        """The files of a partition in the history, by the number of what each was, oldest first."""
        folder = self.private / "history" / name / (key or "all")
        found = (folder / file for file in sorted(listed(folder)))
        return {int(p.stem): p for p in found if p.suffix == ".kept" and p.stem.isdecimal()}

    def staging(self, run: str) -> Path:
        """The folder in which a run stages; made if it is not there."""
        found = self.private / "staging" / run
        if found != self._staging:
            found.mkdir(parents=True, exist_ok=True)
            self._staging = found
        return found

    def logs(self, run: str) -> Path:
        """The folder of what a run's attempts wrote to their logs; made by whoever writes one."""
        return self.private / "logs" / run

    def files(self, dataset: Dataset, keys: Sequence[bytes]) -> Files:
        """Partitions' files, as they lie below one folder."""
        if isinstance(dataset, Source):
            folder = dataset.path.partition("{key}")[0].rpartition("/")[0]
            cut = len(folder) + 1 if folder else 0
            folder, parts = f"{self.root}/{folder}", dataset.path[cut:].split("{key}")
        else:
            name = dataset.stored_as.file_name
            folder = f"{self.warehouse}/{dataset.name}"
            parts = [name] if dataset.column is None else [f"{dataset.column}=", f"/{name}"]
        return Files(os.fsencode(folder), tuple(map(os.fsencode, parts)), keys)

    def identities(self, dataset: Dataset, keys: Sequence[str]) -> NDArray[np.int64]:
        """What stat says of each partition's file, shape (n, 4) as `FileIdentity`; -1: no file.

        One stat a file, from the folder that all lie below, and a listing of it if one is absent.
        """
        return stats_of(self.files(dataset, [key.encode() for key in keys]))

    def seal(self, staged: Path) -> tuple[int, int, int]:
        """End the writing of a staged file; its size, time of modification and inode.

        Its time of modification is set back by two seconds, so that an edit by somebody else can
        never fall on the same step of the clock as our own writing. `sync` makes it durable.
        """
        failpoint("staged")
        stat = os.stat(staged)
        backdated = stat.st_mtime_ns - BACKDATED_NS
        os.utime(staged, ns=(stat.st_atime_ns, backdated))
        failpoint("sealed")
        return stat.st_size, backdated, stat.st_ino

    def sync(self, paths: Collection[Path | str]) -> dict[str, OSError]:
        """Make files and folders durable, side by side; those that the disk refused, and why.

        Asked for one after the other, each waits for a write of its own; asked for together, they
        share one. Only data that was refused must not be trusted: it is never tried again.
        """
        if not self.durable or not paths:
            return {}
        names = [str(path) for path in paths]
        self._pool = self._pool or ThreadPoolExecutor(_SIDE_BY_SIDE)
        found = list(zip(names, self._pool.map(_synced, names), strict=True))
        failpoint("synced")
        return {name: error for name, error in found if error is not None}

    def publish(self, staged: Path, dataset: Dataset, key: str, seq: int) -> list[Path]:
        """Rename a sealed file into its place; what it replaces is kept in the history first.

        The folders that this changed, which the caller syncs. Requires: the lock of this partition
        is held.
        """
        final = self.path(dataset, key)
        created = _made_folders(final.parent, self.warehouse)
        if not created and final.exists():
            self.keep(dataset.name, key, final, seq)
            for old in self.past_bound(dataset.name, key):
                old.unlink(missing_ok=True)
        failpoint("kept")
        staged.replace(final)
        failpoint("renamed")
        return [final.parent, *created]

    def keep(self, name: str, key: str, file: Path, number: int) -> Path:
        """Link (or copy) a file into the history of a partition; where it is there.

        Where another file has that number already it gets the next one: none is replaced.
        """
        folder = self.private / "history" / name / (key or "all")
        folder.mkdir(parents=True, exist_ok=True)
        while (kept := folder / f"{number:012d}.kept").exists():
            if filecmp.cmp(kept, file, shallow=False):
                return kept
            number += 1
        try:
            os.link(file, kept)
        except OSError:
            shutil.copy2(file, kept)
            for error in self.sync([kept]).values():
                raise error from None
        return kept

    def past_bound(self, name: str, key: str) -> list[Path]:
        """The oldest files in a partition's history: those beyond as many as are kept."""
        return list(self.kept(name, key).values())[: -self.history]

    @contextmanager
    def locked(self, partitions: Iterable[tuple[str, str]]) -> Iterator[None]:
        """Hold the locks of (dataset, key) pairs: one byte each of a lock file a dataset.

        Taken in order, so that two owners never wait for one another.
        """
        places = sorted({(name, _slot(key)) for name, key in partitions})
        folder = self.private / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            files = {
                node: stack.enter_context(open(folder / f"{node}.lock", "ab", opener=at_once))
                for node, _ in places
            }
            for name, slot in places:
                fcntl.lockf(files[name], fcntl.LOCK_EX, 1, slot)
            failpoint("locked")
            yield
        failpoint("released")

    def journal(self, lines: Sequence[str]) -> None:
        """Append lines, durably, to what a rebuild of the metastore needs beside the footers.

        The first line of a process makes the folders durable too, in which all else lies: they may
        be new, or be those of a run that died before it did. No record is made before a line is.
        """
        if not lines:
            return
        text = "".join(f"{line}\n" for line in lines).encode()
        with naming(self.journal_path), open(self.journal_path, "a+b", opener=at_once) as file:
            if size := file.seek(0, os.SEEK_END):
                file.seek(size - 1)
                # A line that was cut off by a crash must not take the next one with it.
                text = text if file.read(1) == b"\n" else b"\n" + text
            file.write(text)
            file.flush()
            if self.durable:
                os.fsync(file.fileno())
        if not self._is_anchored:
            for error in self.sync(self._above(self.private)).values():
                raise error
            self._is_anchored = True
        failpoint("journaled")

    def _above(self, folder: Path) -> list[Path]:
        """A folder of the warehouse and those that it lies in, up to the project's or beside it."""
        top = self.root if folder.is_relative_to(self.root) else self.warehouse.parent
        return [here for here in (folder, *folder.parents) if here.is_relative_to(top)]

    def sweep(self, run: str, wanted: Collection[str] = ()) -> None:
        """Remove what a run staged and did not publish, but for the `wanted` paths."""
        folder = self.private / "staging" / run
        self._staging = None
        for name in sorted(listed(folder)):
            if str(folder / name) not in wanted:
                (folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()

    def staged_runs(self) -> list[str]:
        """The runs that have something staged; what is a link leads elsewhere and is none."""
        folder = self.private / "staging"
        return sorted(name for name in listed(folder) if not (folder / name).is_symlink())


def _slot(key: str) -> int:
    """A byte of the lock file for a key; two keys on one byte only wait for one another."""
    digest = hashlib.blake2b(key.encode(), digest_size=4).digest()
    return int(struct.unpack("<I", digest)[0]) & 0x7FFFFFFF


def _made_folders(folder: Path, top: Path) -> list[Path]:
    """Make a folder with its parents; the parents of those that were new, to be synced."""
    _require_within(folder.parent, top)
    try:
        folder.mkdir()
    except FileExistsError:
        _require_within(folder, top)
        return []
    except FileNotFoundError:
        pass
    else:
        return [folder.parent]
    new = []
    here = folder
    while not here.exists() and here != top.parent:
        new.append(here.parent)
        here = here.parent
    folder.mkdir(parents=True, exist_ok=True)
    return new


def _require_within(folder: Path, top: Path) -> None:
    """Raise OSError for a link out of the warehouse: nothing is written through it."""
    if folder == top or not os.path.islink(folder):
        return
    if not folder.resolve().is_relative_to(top.resolve()):
        raise OSError(errno.EXDEV, "a link that leads out of the warehouse", str(folder))


def _synced(path: str) -> OSError | None:
    """Sync a file or folder; the error that refused it."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        return OSError(error.errno, error.strerror, path)
    return None
