"""The store in a folder: one file for each partition at a fixed path, replaced by a rename.

Knows nothing of what a file holds, of records or of plans.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import struct
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from partflow.declarations.dataset import Dataset, Source
from partflow.errors import naming
from partflow.store.failpoints import failpoint
from partflow.store.identity import FileIdentity, identity, is_settled
from partflow.store.layout import Layout
from partflow.store.locallisting import LocalListing
from partflow.store.localpast import KEPT
from partflow.store.manystats import SideBySide, marked, stats_of
from partflow.store.opening import alone_with, at_once
from partflow.store.protocol import Answer, Fetched, Replacement
from partflow.store.replacing import replaced
from partflow.store.setfiles import SetFile, files_of_set, identities_of_sets, identity_of_set

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CTIME = 2
"""The column of the time at which a file was changed last, in ns."""
_TOLD_OF_SOURCES = [0, 1, 2]
"""The columns of sizes and times: on some mounts inodes change by themselves."""
_TOLD_OF_OWN = [0, 1, 3]
"""All columns but the ctime: a link in the history changes that."""


class LocalStore(LocalListing):
    """The datasets' files below `warehouse`, and the sources' files below `root`.

    Its locks are POSIX locks. A file is replaced under its lock by a rename, so that a reader gets
    the old one or the new one.
    """

    is_shared = True

    def __init__(
        self,
        root: Path,
        warehouse: Path,
        folders: Mapping[str, str] | None = None,
        *,
        durable: bool = True,
        history: int = KEPT,
    ) -> None:
        super().__init__(Layout(root, warehouse, folders or {}), durable=durable, history=history)
        self._unsynced: dict[tuple[str, str], list[str]] = {}
        self._is_anchored = False

    def identities(self, dataset: Dataset, keys: Sequence[str]) -> NDArray[np.int64]:
        """The stat of each partition's file, shape (n, 4), columns as in `FileIdentity`.

        -1 for no file, and for a file of a source that is not marked as complete. It costs a stat
        for each file, and one listing if any file is absent. Of partitions with several files it is
        one of all of them together, which costs a listing of each folder, too.
        """
        encoded = [key.encode() for key in keys]
        if isinstance(dataset, Source) and dataset.has_several_files:
            layout = self.layout
            places = layout.paths_of(dataset), layout.marker_of(dataset)
            present = identities_of_sets(layout.root, *places, keys)
        else:
            present = stats_of(self.layout.files(dataset, encoded))
        markers = self.layout.markers(dataset, encoded)
        return present if markers is None else marked(present, markers)

    def set_of(self, source: Source, key: str) -> tuple[SetFile, ...]:
        """The files whose names match the source's path."""
        layout = self.layout
        places = layout.paths_of(source), layout.marker_of(source)
        return files_of_set(layout.root, *places, key)

    def look(self, lots: Mapping[str, tuple[Dataset, Sequence[bytes]]]) -> _Look:
        """The identities of very many files, found by as many processes as are worth it."""
        single = {name: lot for name, lot in lots.items() if not lot[0].has_several_files}
        markers = {name: self.layout.markers(*lot) for name, lot in single.items()}
        stats = SideBySide(
            {name: self.layout.files(*lot) for name, lot in single.items()},
            markers={name: marker for name, marker in markers.items() if marker is not None},
        )
        return _Look(self, stats, {name: lots[name] for name in lots.keys() - single.keys()})

    def changed_within(
        self, present: NDArray[np.int64], span_ns: int, now_ns: int
    ) -> NDArray[np.bool_]:
        """Whether a file's ctime is so late: any change of a file sets that, and nobody can."""
        return (present[:, 0] >= 0) & (present[:, _CTIME] > now_ns - span_ns)

    def is_proof(self, present: FileIdentity, now_ns: int) -> bool:
        """Whether a file is older than one step of its clock."""
        return is_settled(present, now_ns)

    def read(
        self, dataset: Dataset, keys: Sequence[str], expected: NDArray[np.int64] | None = None
    ) -> Fetched:
        """The partitions' own paths; the files are looked at only if identities are `expected`."""
        if expected is not None:
            present = self.identities(dataset, keys)
            if present.tobytes() != expected.tobytes():  # which costs little where all is well
                told = _TOLD_OF_SOURCES if dataset.is_source else _TOLD_OF_OWN
                is_other = (present != expected)[:, told].any(axis=1)
                if is_other.any():
                    return Fetched((), tuple(keys[i] for i in is_other.nonzero()[0].tolist()))
        if isinstance(dataset, Source) and dataset.has_several_files:
            return self._read_sets(dataset, keys, expected)
        return Fetched(tuple(self.layout.place(dataset, key) for key in keys))

    def _read_sets(
        self, source: Source, keys: Sequence[str], expected: NDArray[np.int64] | None
    ) -> Fetched:
        """The paths of partitions with several files, which are those of one listing each."""
        sets = [self.set_of(source, key) for key in keys]
        if expected is not None:
            told = expected[:, _TOLD_OF_SOURCES].tolist()
            moved = tuple(
                key for key, files, row in zip(keys, sets, told, strict=True) if _told(files) != row
            )
            if moved:
                return Fetched((), moved)
        places = tuple(file.path for files in sets for file in files)
        return Fetched(places, counts=tuple(map(len, sets)))

    def pattern(self, dataset: Dataset) -> str:
        """The path of a dataset's files, with `{key}`; relative to the project, if below it."""
        if isinstance(dataset, Source):
            return dataset.path
        return self.layout.near(self.layout.path(dataset, "{key}")).as_posix()

    def replace(self, dataset: Dataset, key: str, by: Replacement) -> Answer:
        """Rename a sealed file into its place; the file that it replaces is kept first.

        The present file is compared with the one seen without its ctime, because a link in the
        history changes that. Requires: the lock of this partition is held.
        """
        final, staged = self.layout.place(dataset, key), self.layout.staged_place(by.staged)
        present = _present(final)
        is_moved = _is_moved(by.seen, present)
        if present is not None and (is_moved or not os.path.exists(staged)):
            if by.sha256 == _digest(final):
                return Answer.MINE
            if is_moved:
                return Answer.MOVED
        folder = os.path.dirname(final)
        created = _made_folders(folder, str(self.layout.warehouse))
        if present is not None:
            self.keep(dataset.name, key, final, by.number)
            self.forget(dataset.name, key, self.past_bound(dataset.name, key))
        failpoint("kept")
        os.replace(staged, final)
        self._unsynced[dataset.name, key] = [folder, *created]
        failpoint("renamed")
        return Answer.DONE

    def settle(
        self, places: Iterable[tuple[Dataset, str]], above: Collection[str] = ()
    ) -> dict[tuple[str, str], OSError]:
        """Sync the folders of partitions' files, and the parents of folders made for them.

        A folder is synced even if this process put no file there: one that died may have.
        """
        folders: dict[tuple[str, str], list[str]] = {}
        warehouse = str(self.layout.warehouse)
        for dataset, key in places:
            folder = os.path.dirname(self.layout.place(dataset, key))
            changed = self._unsynced.pop((dataset.name, key), [folder])
            if dataset.name in above:
                changed += [os.path.dirname(folder), warehouse]
            folders[dataset.name, key] = changed
        refused = self.sync({folder for changed in folders.values() for folder in changed})
        return {
            place: refused[folder]
            for place, changed in folders.items()
            for folder in changed
            if folder in refused
        }

    @contextmanager
    def locked(self, partitions: Iterable[tuple[str, str]]) -> Iterator[None]:
        """Hold the locks of (dataset, key) pairs; each is a byte in the dataset's lock file.

        They are taken in order, so that no two owners wait for each other.
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
        """Append lines, durably, to the journal.

        With its first line a process also makes the folders above durable: they may be new, or made
        by a run that died before it did so. Nothing is recorded before its line is written.
        """
        if not lines:
            return
        text = "".join(f"{line}\n" for line in lines).encode()
        with naming(self.layout.journal), self._journal_alone() as file:
            if size := file.seek(0, os.SEEK_END):
                file.seek(size - 1)
                # If a crash has cut the last line off, ours must not continue it.
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

    def shorten(self, lasting: Callable[[Iterator[str]], Sequence[bool]]) -> None:
        """Keep those lines of the journal that last: a shorter one replaces it by a rename.

        Whoever wants to append meanwhile waits, and then appends to the shorter one.
        """
        journal = self.layout.journal
        if not journal.exists():
            return
        with naming(journal), self._journal_alone() as file:
            file.seek(0)
            stays = lasting(line.decode("utf-8", "replace") for line in file)
            if all(stays):
                return
            file.seek(0)
            with replaced(journal, durable=self.durable) as new, new.open("wb") as shorter:
                shorter.writelines(
                    line.removesuffix(b"\n") + b"\n" for line in compress(file, stays)
                )
                shorter.flush()
                failpoint("shortened")
            failpoint("journal_replaced")
            for error in self.sync([journal.parent]).values():
                raise error

    @contextmanager
    def _journal_alone(self) -> Iterator[BinaryIO]:
        """The journal, open to append; meanwhile nobody else appends to it or replaces it."""
        while True:
            with alone_with(self.layout.journal) as file:
                if _is_at(self.layout.journal, file):
                    yield file
                    return

    def _lines(self, last: int | None) -> Iterator[str]:
        """The lines of the journal; its file is open while they are iterated."""
        with open(self.layout.journal, "rb", opener=at_once) as file:
            if last is not None:
                file.seek(max(0, file.seek(0, os.SEEK_END) - last))
            for line in file:
                yield line.decode("utf-8", "replace")

    def _above(self, folder: Path) -> list[Path]:
        """A folder and those above it, up to the project's, or to the warehouse's parent."""
        top = (
            self.layout.root
            if folder.is_relative_to(self.layout.root)
            else self.layout.warehouse.parent
        )
        return [here for here in (folder, *folder.parents) if here.is_relative_to(top)]


def _told(files: Sequence[SetFile]) -> list[int]:
    """The columns of the files' identity that tell of sources; -1 if there are no files."""
    if not files:
        return [-1, -1, -1]
    identity_now = identity_of_set(files)
    return [identity_now.size, identity_now.mtime_ns, identity_now.ctime_ns]


class _Look(AbstractContextManager["_Look"]):
    """The identities that a look finds; those of `sets` are found when they are asked for."""

    def __init__(
        self,
        store: LocalStore,
        stats: SideBySide,
        sets: Mapping[str, tuple[Dataset, Sequence[bytes]]],
    ) -> None:
        self._store, self._stats, self._sets = store, stats, sets

    def of(self, name: str) -> NDArray[np.int64]:
        """The identities of one lot, as `LocalStore.identities` gives them."""
        if name not in self._sets:
            return self._stats.of(name)
        dataset, keys = self._sets[name]
        return self._store.identities(dataset, [key.decode() for key in keys])

    def __exit__(self, *_: object) -> None:
        """End the processes that are still at work."""
        self._stats.close()


def _is_at(path: Path, file: BinaryIO) -> bool:
    """Whether an open file is still the one at a path."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _slot(key: str) -> int:
    """The byte of the lock file for a key; two keys may share one, and then wait for each other."""
    digest = hashlib.blake2b(key.encode(), digest_size=4).digest()
    return int(struct.unpack("<I", digest)[0]) & 0x7FFFFFFF


def _made_folders(folder: str, top: str) -> list[str]:
    """Make a folder with its parents; returns the parents of new ones, which have to be synced."""
    parent = os.path.dirname(folder)
    _require_within(parent, top)
    try:
        os.mkdir(folder)
    except FileExistsError:
        _require_within(folder, top)
        return []
    except FileNotFoundError:
        pass
    else:
        return [parent]
    new: list[str] = []
    here, above_top = folder, os.path.dirname(top)
    while not os.path.exists(here) and here != above_top:
        here = os.path.dirname(here)
        new.append(here)
    os.makedirs(folder, exist_ok=True)
    return new


def _require_within(folder: str, top: str) -> None:
    """Raise OSError if a folder is a link out of the warehouse: nothing is written through it."""
    if folder == top or not os.path.islink(folder):
        return
    if not Path(folder).resolve().is_relative_to(Path(top).resolve()):
        raise OSError(errno.EXDEV, "a link that leads out of the warehouse", folder)


def _present(path: str) -> FileIdentity | None:
    """The identity of a file to be replaced; None if there is none, or links lead in a circle."""
    try:
        return identity(path)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise


def _is_moved(seen: FileIdentity | None, present: FileIdentity | None) -> bool:
    """Whether the present file is not the one seen; False if either is None."""
    if seen is None or present is None:
        return False
    return (seen.size, seen.mtime_ns, seen.inode) != (
        present.size,
        present.mtime_ns,
        present.inode,
    )


def _digest(path: str) -> str:
    """The SHA-256 of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
