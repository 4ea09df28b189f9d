"""Where bytes lie: one file a partition at a fixed name, staged apart, replaced by rename.

Knows nothing of what a file holds, of records or of plans. Staged and kept files never end in
`.parquet` and lie outside of every dataset: nothing else hides a file from `**/*.parquet`.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import struct
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from partflow.declarations.dataset import Dataset, Source
from partflow.errors import naming
from partflow.store.failpoints import failpoint
from partflow.store.identity import FileIdentity, identity, is_settled
from partflow.store.layout import Layout
from partflow.store.locallisting import LocalListing
from partflow.store.localpast import KEPT
from partflow.store.manystats import SideBySide, stats_of
from partflow.store.opening import at_once
from partflow.store.protocol import Answer, Fetched, Replacement

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_TOLD_OF_SOURCES = [0, 1, 2]
"""Sizes and times: on some mounts inodes come and go by themselves."""
_TOLD_OF_OWN = [0, 1, 3]
"""All but the times of the last change of status: a link in the history changes that."""


class LocalStore(LocalListing):
    """The warehouse's files, below `warehouse`, and the sources' files below `root`.

    Its locks are those of POSIX. A file is replaced under its lock by a rename; a reader has the
    old one or the new one.
    """

    is_shared = True

    def __init__(
        self, root: Path, warehouse: Path, *, durable: bool = True, history: int = KEPT
    ) -> None:
        super().__init__(Layout(root, warehouse), durable=durable, history=history)
        self._unsynced: dict[tuple[str, str], list[Path]] = {}
        self._is_anchored = False

    def identities(self, dataset: Dataset, keys: Sequence[str]) -> NDArray[np.int64]:
        """What stat says of each partition's file, shape (n, 4) as `FileIdentity`; -1: no file.

        One stat a file, from the folder that all lie below, and a listing of it if one is absent.
        """
        return stats_of(self.layout.files(dataset, [key.encode() for key in keys]))

    def look(self, lots: Mapping[str, tuple[Dataset, Sequence[bytes]]]) -> SideBySide:
        """The same of very many files, in as many processes as are worth it."""
        return SideBySide({name: self.layout.files(*lot) for name, lot in lots.items()})

    def is_proof(self, found: FileIdentity, now_ns: int) -> bool:
        """Whether a file is older than its clock's step."""
        return is_settled(found, now_ns)

    def read(
        self, dataset: Dataset, keys: Sequence[str], expected: NDArray[np.int64] | None = None
    ) -> Fetched:
        """The partitions' own paths; looked at only if identities are expected."""
        if expected is not None:
            told = _TOLD_OF_SOURCES if dataset.is_source else _TOLD_OF_OWN
            other = (self.identities(dataset, keys) != expected)[:, told].any(axis=1)
            if other.any():
                return Fetched((), tuple(keys[i] for i in other.nonzero()[0].tolist()))
        return Fetched(tuple(self.layout.path(dataset, key) for key in keys))

    def pattern(self, dataset: Dataset) -> str:
        """The path of its files, as it is from the project's folder, if it lies below."""
        if isinstance(dataset, Source):
            return dataset.path
        return self.layout.near(self.layout.path(dataset, "{key}")).as_posix()

    def replace(self, dataset: Dataset, key: str, by: Replacement) -> Answer:
        """Rename a sealed file into its place; what it replaces is kept in the history first.

        What was seen is compared but for the time of its last change of status: a link to it in the
        history changes that. Requires: the lock of this partition is held.
        """
        final, staged = self.layout.path(dataset, key), self.layout.staged(by.staged)
        present = _present(final)
        is_moved = _is_moved(by.seen, present)
        if is_moved or not staged.exists():
            if present is not None and by.sha256 == _digest(final):
                return Answer.MINE
            if is_moved:
                return Answer.MOVED
        created = _made_folders(final.parent, self.layout.warehouse)
        if present is not None:
            self.keep(dataset.name, key, final, by.number)
            self.forget(dataset.name, key, self.past_bound(dataset.name, key))
        failpoint("kept")
        staged.replace(final)
        self._unsynced[dataset.name, key] = [final.parent, *created]
        failpoint("renamed")
        return Answer.DONE

    def settle(
        self, places: Iterable[tuple[Dataset, str]], above: Collection[str] = ()
    ) -> dict[tuple[str, str], OSError]:
        """Sync the folders of partitions' files, and the parents of those that were made for them.

        A file that this process did not put there may have been by one that died before it synced.
        """
        folders: dict[tuple[str, str], list[Path]] = {}
        for dataset, key in places:
            folder = self.layout.path(dataset, key).parent
            changed = self._unsynced.pop((dataset.name, key), [folder])
            if dataset.name in above:
                changed += [folder.parent, self.layout.warehouse]
            folders[dataset.name, key] = changed
        refused = self.sync({folder for changed in folders.values() for folder in changed})
        return {
            place: refused[str(folder)]
            for place, changed in folders.items()
            for folder in changed
            if str(folder) in refused
        }

    @contextmanager
    def locked(self, partitions: Iterable[tuple[str, str]]) -> Iterator[None]:
        """Hold the locks of (dataset, key) pairs: one byte each of a lock file a dataset.

        Taken in order, so that two owners never wait for one another.
        """
        places = sorted({(name, _slot(key)) for name, key in partitions})
        folder = self.layout.locks
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
        with naming(self.layout.journal), open(self.layout.journal, "a+b", opener=at_once) as file:
            if size := file.seek(0, os.SEEK_END):
                file.seek(size - 1)
                # A line that was cut off by a crash must not take the next one with it.
                text = text if file.read(1) == b"\n" else b"\n" + text
            file.write(text)
            file.flush()
            if self.durable:
                os.fsync(file.fileno())
        if not self._is_anchored:
            for error in self.sync(self._above(self.layout.private)).values():
                raise error
            self._is_anchored = True
        failpoint("journaled")

    def journaled(self, last: int | None = None) -> Iterator[str] | None:
        """The lines of the journal; None if there is none."""
        return self._lines(last) if self.layout.journal.exists() else None

    def _lines(self, last: int | None) -> Iterator[str]:
        """The lines of the journal's file, which is open only while they are asked for."""
        with open(self.layout.journal, "rb", opener=at_once) as file:
            if last is not None:
                file.seek(max(0, file.seek(0, os.SEEK_END) - last))
            for line in file:
                yield line.decode("utf-8", "replace")

    def _above(self, folder: Path) -> list[Path]:
        """A folder of the warehouse and those that it lies in, up to the project's or beside it."""
        top = (
            self.layout.root
            if folder.is_relative_to(self.layout.root)
            else self.layout.warehouse.parent
        )
        return [here for here in (folder, *folder.parents) if here.is_relative_to(top)]


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


def _present(path: Path) -> FileIdentity | None:
    """The identity of what is to be replaced; links that lead in a circle lead to nothing."""
    try:
        return identity(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise


def _is_moved(seen: FileIdentity | None, present: FileIdentity | None) -> bool:
    """Whether what is there is not what was seen; where nothing is, nothing can be lost."""
    if seen is None or present is None:
        return False
    return (seen.size, seen.mtime_ns, seen.inode) != (
        present.size,
        present.mtime_ns,
        present.inode,
    )


def _digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
