"""What a store is to the rest of partflow: where partitions' bytes lie, and how they are replaced.

Knows nothing of what files hold, nor of what is recorded. `LocalStore` is a folder, `MemoryStore`
is for tests. `tests/store/test_contract.py` says what each of them, and any other, must do.

An identity is the store's word for one state of a file: 32 bytes, four whole numbers of eight. The
first is the size in bytes, or -1 where there is no file. The others are what the store likes (times
and an inode, or an etag): two of the same are the same bytes, and that is all that others know.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from partflow.declarations.dataset import Dataset, Source
from partflow.store.identity import FileIdentity
from partflow.store.layout import Layout

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Place = tuple[Dataset, str]
"""A dataset and the key of one of its partitions."""


class Answer(Enum):
    """What became of a replacement.

    MINE: an earlier try had done it, whose answer was lost. MOVED: the file is not the one that it
    was to replace, and stays.
    """

    DONE = "done"
    MINE = "mine"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Replacement:
    """A staged file, by its name and SHA-256, that is to replace what a claim `seen`.

    `seen` is an identity; None replaces whatever is there. What is replaced is kept in the history
    under `number`.
    """

    staged: str
    sha256: str | None
    seen: FileIdentity | None
    number: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """Local paths of what was to be read, in order.

    None, if some files are no longer those that were expected: `moved` has their keys.
    """

    paths: tuple[Path, ...]
    moved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is stored under a dataset's name and a key, and how large it is.

    `column` and `file` are its partition column and what it is called; None where a store keeps
    bytes by name and key alone. The key is "all" where there is no partition column.
    """

    name: str
    key: str
    column: str | None
    file: str | None
    nbytes: int


class Looked(Protocol):
    """What a look at many datasets finds."""

    def of(self, name: str) -> NDArray[np.int64]:
        """The identities of one dataset's partitions, shape (n, 4), in the order of their keys."""
        ...


class Staging(Protocol):
    """Files that runs write apart from all datasets. They lie on this machine: engines write them.

    Each has a name, RUN/FILE.
    """

    def stage(self, name: str) -> Path:
        """The file to be written under a name; its folder is made."""
        ...

    def seal(self, name: str) -> tuple[int, int, int]:
        """End the writing of a file; its size, time of modification (ns) and inode."""
        ...

    def sync(self, paths: Collection[Path | str]) -> Mapping[str, OSError]:
        """Make files and folders of this machine durable; by path what the disk refused."""
        ...

    def discard(self, names: Iterable[str]) -> None:
        """Remove files; those that are not there are passed."""
        ...

    def sweep(self, run: str, wanted: Collection[str] = ()) -> None:
        """Remove all that a run staged, but for the names that are wanted."""
        ...

    def staged_runs(self) -> Sequence[str]:
        """The runs that have something staged."""
        ...


class Files(Protocol):
    """Partitions' files, to be looked at and read."""

    def identities(self, dataset: Dataset, keys: Sequence[str]) -> NDArray[np.int64]:
        """The identity of each partition's file, shape (n, 4)."""
        ...

    def look(
        self, lots: Mapping[str, tuple[Dataset, Sequence[bytes]]]
    ) -> AbstractContextManager[Looked]:
        """The identities of very many files: by the name of each lot a dataset and its keys."""
        ...

    def is_proof(self, found: FileIdentity, now_ns: int) -> bool:
        """Whether every later edit gives a file another identity than this one, found just now.

        Times of a file that was written a moment ago are no proof: the clock may not have moved on.
        """
        ...

    def read(
        self, dataset: Dataset, keys: Sequence[str], expected: NDArray[np.int64] | None = None
    ) -> Fetched:
        """A local path for each partition's file; nothing lies there if the partition has none.

        If identities are expected, shape (n, 4), the files are those, or it is said which moved.
        """
        ...

    def pattern(self, dataset: Dataset) -> str | None:
        """Where other programs read a dataset's files as they lie: a path with `{key}`.

        It is relative to the project's folder if it lies below. None: files have to be read first,
        which writes them down below `layout.fetched_of` the dataset.
        """
        ...


class Replacing(Protocol):
    """Puts files into partitions' places: one a partition, whole at every moment."""

    def replace(self, dataset: Dataset, key: str, by: Replacement) -> Answer:
        """Put a sealed and synced file into its place, if what is there was seen by the claim.

        Requires: the lock of this partition is held.

        Raises:
            OSError: it was refused, or its answer was lost: then nobody knows whether it was done.
        """
        ...

    def settle(
        self, places: Iterable[Place], above: Collection[str] = ()
    ) -> Mapping[tuple[str, str], OSError]:
        """Make durable what lies at these places; by dataset and key what the disk refused.

        Of the datasets named in `above` all is made durable that they lie in.
        """
        ...

    def locked(self, partitions: Iterable[tuple[str, str]]) -> AbstractContextManager[None]:
        """Hold the locks of (dataset, key) pairs, where the store has any."""
        ...


class Listing(Protocol):
    """What is stored, also of what is not known yet or no longer declared."""

    def has_any(self, dataset: Dataset) -> bool:
        """Whether any file of a dataset is there; at once, however many there are."""
        ...

    def keys(self, dataset: Dataset, but: Iterable[bytes] = ()) -> set[str]:
        """What stands in the place of the key where a dataset has its files, except `but` these.

        A file need not be there, nor is all of it a key: the grain tells. Requires: the dataset has
        a partition column.
        """
        ...

    def names(self) -> Sequence[str]:
        """Under which names something is stored as datasets' files are, in order."""
        ...

    def beside(
        self,
        name: str,
        files: Collection[str],
        own: tuple[Dataset, Sequence[str]] | None,
        sources: Collection[Source],
    ) -> Iterator[StoredFile]:
        """What is stored under a name and is called as one of these `files`.

        Left out is what `own` has, a dataset and its keys, and what lies where `sources` have
        theirs.
        """
        ...

    def put_away(self, files: Sequence[tuple[StoredFile, int]]) -> None:
        """Move such files into the history, each under its number, durably first.

        Raises:
            OSError: the disk refused one; then it is where it was.
        """
        ...


class Past(Protocol):
    """What was replaced, kept for a while by dataset, key and number."""

    def kept(self, name: str, key: str) -> Mapping[int, Path]:
        """Local paths of what is kept of a partition, by number, the oldest first."""
        ...

    def keep(self, name: str, key: str, file: Path, number: int) -> Path:
        """Keep a file, under the next number that no other has; a local path of what is kept."""
        ...

    def past_bound(self, name: str, key: str) -> Mapping[int, Path]:
        """The oldest of what is kept: what goes beyond as many as are to be kept."""
        ...

    def forget(self, name: str, key: str, numbers: Iterable[int]) -> None:
        """Keep these of a partition no longer; those that are not kept are passed."""
        ...

    def histories(self) -> Sequence[tuple[str, str]]:
        """Each name and key of which something may be kept, in order."""
        ...


class Journaling(Protocol):
    """Lines that say what a rebuild of the metastore needs beside the footers."""

    def journal(self, lines: Sequence[str]) -> None:
        """Append lines, durably."""
        ...

    def journaled(self, last: int | None = None) -> Iterator[str] | None:
        """All lines, or those that end in the `last` so many bytes; None if none was ever appended.

        The first of the last ones may be cut.
        """
        ...


class Store(Staging, Files, Replacing, Listing, Past, Journaling, Protocol):
    """All of a store. `layout` says where on this machine lies what is no partition's file.

    A store that is not `durable` syncs nothing: what it holds outlives a process, not a power cut.
    One that is not `is_shared` lives in this process: others do not see what it holds.
    """

    layout: Layout
    durable: bool
    is_shared: bool


def file_of(store: Files, dataset: Dataset, key: str) -> Path:
    """A local path of one partition's file as it is now; nothing lies there if it has none."""
    return store.read(dataset, [key]).paths[0]
