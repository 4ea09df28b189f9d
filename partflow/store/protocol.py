"""What every store is: the place of partitions' bytes, and how these are replaced.

Knows nothing of what files hold, nor of what is recorded. `LocalStore` is a folder, `MemoryStore`
is for tests. `tests/store/test_contract.py` says what each of them, and any other, must do.

An identity stands for one state of a file. It has 32 bytes, as four whole numbers of 8 bytes. The
first is the file's size in bytes, or -1 if there is no file. The store chooses the others (times
and an inode, or an etag). All that the rest of partflow knows: equal identities mean equal bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from partflow.declarations.dataset import Dataset, Source
from partflow.store.identity import FileIdentity
from partflow.store.layout import Layout
from partflow.store.setfiles import SetFile

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Place = tuple[Dataset, str]
"""A dataset and the key of one of its partitions."""


class Answer(Enum):
    """How a replacement ended.

    DONE: it is done. MINE: an earlier try, whose answer was lost, had done it. MOVED: the present
    file is not the one that was to be replaced, and stays.
    """

    DONE = "done"
    MINE = "mine"
    MOVED = "moved"


@dataclass(frozen=True, slots=True)
class Replacement:
    """A staged file, by its name and SHA-256, and the file that it is to replace.

    That is the one whose identity was `seen` by the claim; None replaces any file. The replaced
    file is kept in the history under `number`.
    """

    staged: str
    sha256: str | None
    seen: FileIdentity | None
    number: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """Local paths of the files that were to be read, in order of the keys.

    If some files are no longer those that were expected, `moved` has their keys, and there are no
    paths. `places` are the paths as text: to make a `Path` costs more than a stat. `counts` says
    how many files each key has, sorted by name; None if it is one each.
    """

    places: tuple[str, ...]
    moved: tuple[str, ...] = ()
    counts: tuple[int, ...] | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths."""
        return tuple(map(Path, self.places))


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file that is stored under a dataset's name and a key, and its size in bytes.

    `column` is its partition column and `file` its name; both are None in a store that keeps bytes
    by dataset and key alone. Without a partition column the key is "all".
    """

    name: str
    key: str
    column: str | None
    file: str | None
    nbytes: int


class Looked(Protocol):
    """The identities that a look at many datasets has found."""

    def of(self, name: str) -> NDArray[np.int64]:
        """The identities of one dataset's partitions, shape (n, 4), in the order of their keys."""
        ...


class Staging(Protocol):
    """Files that runs write apart from all datasets, each under a name RUN/FILE.

    They are on this machine, because polars and other engines write files.
    """

    def stage(self, name: str) -> Path:
        """The path to write for a name; its folder is made."""
        ...

    def seal(self, name: str) -> tuple[int, int, int]:
        """Call it when a file is written; returns its size, time of modification (ns) and inode."""
        ...

    def sync(self, paths: Collection[Path | str]) -> Mapping[str, OSError]:
        """Make local files and folders durable; returns what the disk refused, by path."""
        ...

    def discard(self, names: Iterable[str]) -> None:
        """Remove files; names that have no file are ignored."""
        ...

    def sweep(self, run: str, wanted: Collection[str] = ()) -> None:
        """Remove all that a run staged, except the `wanted` names."""
        ...

    def staged_runs(self) -> Sequence[str]:
        """The runs that have staged files."""
        ...


class Files(Protocol):
    """Partitions' files, to be looked at and read."""

    def identities(self, dataset: Dataset, keys: Sequence[str]) -> NDArray[np.int64]:
        """The identity of each partition's file, or of its files together, shape (n, 4).

        Of a source with `complete`, files that are not marked as whole count as not there.
        """
        ...

    def look(
        self, lots: Mapping[str, tuple[Dataset, Sequence[bytes]]]
    ) -> AbstractContextManager[Looked]:
        """The identities of very many files; each lot has a name, a dataset and keys."""
        ...

    def is_proof(self, present: FileIdentity, now_ns: int) -> bool:
        """Whether any later edit must change this identity, which was found at `now_ns`.

        The times of a file that was written a moment ago do not prove it: an edit may fall on the
        same step of the clock.
        """
        ...

    def changed_within(
        self, present: NDArray[np.int64], span_ns: int, now_ns: int
    ) -> NDArray[np.bool_]:
        """Which files with these identities, shape (n, 4), changed less than a span before now.

        False where there is no file, and for all if files come into the store as a whole.
        """
        ...

    def read(
        self, dataset: Dataset, keys: Sequence[str], expected: NDArray[np.int64] | None = None
    ) -> Fetched:
        """A local path for each partition's file; there is no file if the partition has none.

        If identities are `expected`, shape (n, 4), the files have them, or the answer says which
        have moved.
        """
        ...

    def pattern(self, dataset: Dataset) -> str | None:
        """The path, with `{key}`, at which other programs can read a dataset's files in place.

        It is relative to the project's folder if it is below that. None if files have to be fetched
        by `read` first, which writes them below `layout.fetched_of` the dataset's name.
        """
        ...


class Sets(Protocol):
    """The files of partitions that may have several."""

    def set_of(self, source: Source, key: str) -> tuple[SetFile, ...]:
        """The files of a partition that may have several, sorted by name, each with its identity.

        They are there whether they are whole or not. OSError if one of them cannot be looked at.
        """
        ...


class Replacing(Protocol):
    """Replaces partitions' files: one for each partition, and whole at every moment."""

    def replace(self, dataset: Dataset, key: str, by: Replacement) -> Answer:
        """Put a sealed and synced file into its place, if the present file is the one seen.

        Requires: the lock of this partition is held.

        Raises:
            OSError: it was refused; or its answer was lost, and nobody knows whether it was done.
        """
        ...

    def settle(
        self, places: Iterable[Place], above: Collection[str] = ()
    ) -> Mapping[tuple[str, str], OSError]:
        """Make the files at these places durable; returns what was refused, by dataset and key.

        For the datasets named in `above` it also makes the folders durable that they are in.
        """
        ...

    def locked(self, partitions: Iterable[tuple[str, str]]) -> AbstractContextManager[None]:
        """Hold the locks of (dataset, key) pairs, if the store has locks."""
        ...


class Listing(Protocol):
    """Says what is stored, even if it is not known yet or no longer declared."""

    def has_any(self, dataset: Dataset) -> bool:
        """Whether a dataset has any file; quick, however many there are."""
        ...

    def keys(self, dataset: Dataset, but: Iterable[bytes] = ()) -> set[str]:
        """The texts in the place of the key under a dataset's name, except those in `but`.

        Not every text need be a key, which the grain tells, nor need it have a file. Requires: the
        dataset has a partition column.
        """
        ...

    def names(self) -> Sequence[str]:
        """The names under which something is stored in the way of datasets, sorted."""
        ...

    def beside(
        self,
        name: str,
        files: Collection[str],
        own: tuple[Dataset, Sequence[str]] | None,
        sources: Collection[Source],
    ) -> Iterator[StoredFile]:
        """The files under a name whose file name is one of `files`.

        The partitions of `own`, a dataset and its keys, are left out, and so are files that lie
        where `sources` have theirs.
        """
        ...

    def refusal(self, source: Source) -> str | None:
        """Why the folder above a source's files cannot be listed; None if it can."""
        ...

    def put_away(self, files: Sequence[tuple[StoredFile, int]]) -> None:
        """Move files into the history, each under its number; each is durable there first.

        Raises:
            OSError: the disk refused a file, which then stays where it was.
        """
        ...


class Past(Protocol):
    """The history: replaced files, kept for a while by dataset, key and number."""

    def kept(self, name: str, key: str) -> Mapping[int, Path]:
        """Local paths of a partition's kept files, by number, the oldest first."""
        ...

    def keep(self, name: str, key: str, file: Path, number: int) -> Path:
        """Keep a file under `number`, or the next that is free; returns a local path of it."""
        ...

    def past_bound(self, name: str, key: str) -> Mapping[int, Path]:
        """The oldest kept files of a partition: those in excess of the number to keep."""
        ...

    def forget(self, name: str, key: str, numbers: Iterable[int]) -> None:
        """Remove kept files of a partition by their numbers; unknown numbers are ignored."""
        ...

    def histories(self) -> Sequence[tuple[str, str]]:
        """Each name and key that may have kept files, sorted."""
        ...


class Journaling(Protocol):
    """The journal: lines that a rebuild of the metastore needs beside the footers."""

    def journal(self, lines: Sequence[str]) -> None:
        """Append lines, durably."""
        ...

    def journaled(self, last: int | None = None) -> Iterator[str] | None:
        """All lines, or those in the last `last` bytes; None if none was ever appended.

        Of the last bytes the first line may be cut.
        """
        ...

    def shorten(self, lasting: Callable[[Iterator[str]], Sequence[bool]]) -> None:
        """Keep those lines that last, in their order; a line that is appended meanwhile stays, too.

        `lasting` is given all lines, and answers for each. If this is cut off, all lines are there,
        or those that last. Nothing is written if all do.

        Raises:
            OSError: it was refused; all lines are there.
        """
        ...


class Store(Staging, Files, Sets, Replacing, Listing, Past, Journaling, Protocol):
    """All of a store.

    `layout` says where on this machine everything is that is no partition's file. A store that is
    not `durable` syncs nothing: what it holds survives a process, but not a power cut. A store that
    is not `is_shared` is in this process only, so that other processes do not see what it holds.
    """

    layout: Layout
    durable: bool
    is_shared: bool


def file_of(store: Files, dataset: Dataset, key: str) -> Path:
    """A local path of one partition's present file; there is no file if it has none.

    Requires: the partition has no more than one.
    """
    return store.read(dataset, [key]).paths[0]


def files_of(store: Files, dataset: Dataset, key: str) -> tuple[Path, ...]:
    """Local paths of all of one partition's files, sorted by name; none if it may have several."""
    return store.read(dataset, [key]).paths
