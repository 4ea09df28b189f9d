"""All that is current at one moment, as arrays: what a plan is made from.

Knows nothing of files or frames, nor of how anything is recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from partflow.planning.digests import LANES
from partflow.planning.pauses import Pause

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.planning.asking import Book


class Condition(IntEnum):
    """How a partition's file compares with its record."""

    ABSENT = 0
    """No record of it, and for a source no file."""
    GOOD = 1
    """The file is what was recorded."""
    GONE = 2
    """Recorded, and its file is not there."""
    DAMAGED = 3
    """Recorded (or a source's file), and the file cannot be read."""
    CHANGED = 4
    """The file can be read, and its content is none that was ever recorded for this partition."""
    GIVEN_UP = 5
    """A source's: it is recorded that it does not come. Readers go on as with an empty one."""


@dataclass(frozen=True, slots=True)
class DatasetState:
    """What is current of one dataset or effect, as arrays over the ordinals from `lo` on.

    All arrays have one entry for each partition. `content` and `code` are fingerprints in two
    lanes, shape (n, 2); `inputs` holds one digest for each read, shape (n, reads, 2); `reads` is
    how many of those were recorded, -1 for none. `seq` is the number of the materialization, 0
    where there is none; `made_at` is in epoch seconds; `failed` says that the last attempt failed,
    `pinned` that the file is somebody's and was accepted.
    """

    lo: int
    condition: NDArray[np.uint8]
    content: NDArray[np.uint64]
    code: NDArray[np.uint64]
    inputs: NDArray[np.uint64]
    reads: NDArray[np.int16]
    made_at: NDArray[np.int64]
    seq: NDArray[np.int64]
    rows: NDArray[np.int64]
    nbytes: NDArray[np.int64]
    failed: NDArray[np.bool_]
    pinned: NDArray[np.bool_]

    @property
    def hi(self) -> int:
        """One past the last ordinal."""
        return self.lo + len(self.condition)


_COLUMNS = tuple(column.name for column in fields(DatasetState) if column.name != "lo")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that cannot be read: what is wrong with it, and what to do.

    `file` is its path, relative to the project if it lies in there. It is not in `reason`, nor in
    `advice`.
    """

    file: str
    reason: str
    advice: str


@dataclass(frozen=True, slots=True)
class FolderLost:
    """A source's folder that is amiss while something in it is overdue, so that none is given up.

    `first` is the ordinal of the first that is overdue.
    """

    first: int
    folder: str
    reason: str
    advice: str


@dataclass(frozen=True, slots=True)
class Varied:
    """Two partitions of a source in whose files a column has different types.

    `schema` is the declaration with which both can be read; None if there is none.
    """

    source: str
    column: str
    keys: tuple[str, str]
    kinds: tuple[str, str]
    schema: str | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The first partition of a source whose file has columns that the schema does not name."""

    source: str
    key: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is current at one moment, for every dataset and effect of a graph.

    `now` is in epoch seconds; `version` is the last sequence number of the metastore. `codes` gives
    each task's present code fingerprint; `older` gives those that the same code has under older
    rules, and that count as equal. `effects_since` gives for an effect the ordinal that
    was the newest due one when it was first seen; it lacks effects that are new. `perhaps_done`
    gives for an effect each ordinal that a run began before it was cut off, with that run. `paused`
    gives what is paused now, by node. `expected_since` gives when what is expected of a dataset was
    first declared as it is now; it lacks what is new. `asked` gives for each source without files
    what is known of the asking about it.

    `unreadable` says by (dataset, key) which files cannot be read. `newest_at` is when what was
    recorded last was made, in epoch seconds; 0 if nothing was. `varied` and `left_out` say how the
    files of sources that were looked at differ from one another, and from their schemas. `lost`
    says by source which folders are amiss while something in them is overdue.
    """

    now: int
    states: Mapping[str, DatasetState]
    codes: Mapping[str, str]
    effects_since: Mapping[str, int]
    version: int = 0
    older: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    perhaps_done: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    unreadable: Mapping[tuple[str, str], Unreadable] = field(default_factory=dict)
    newest_at: int = 0
    varied: Sequence[Varied] = ()
    left_out: Sequence[LeftOut] = ()
    paused: Mapping[str, Pause] = field(default_factory=dict)
    expected_since: Mapping[str, int] = field(default_factory=dict)
    lost: Mapping[str, FolderLost] = field(default_factory=dict)
    asked: Mapping[str, Book] = field(default_factory=dict)

    def with_failures(self, failures: Iterable[tuple[str, int]]) -> Snapshot:
        """The snapshot in which these (node, ordinal) failed when they were tried last, no others.

        Records alone do not tell: what was never made has none.
        """
        failed = {name: np.zeros_like(state.failed) for name, state in self.states.items()}
        for node, ordinal in failures:
            i = ordinal - self.states[node].lo
            if 0 <= i < len(failed[node]):
                failed[node][i] = True
        states = {name: replace(state, failed=failed[name]) for name, state in self.states.items()}
        return replace(self, states=states)


def empty_state(lo: int, n: int, reads: int = 0) -> DatasetState:
    """The state of `n` partitions from `lo` on of which nothing was ever recorded."""
    return DatasetState(
        lo=lo,
        condition=np.zeros(n, np.uint8),
        content=np.zeros((n, LANES), np.uint64),
        code=np.zeros((n, LANES), np.uint64),
        inputs=np.zeros((n, reads, LANES), np.uint64),
        reads=np.full(n, -1, np.int16),
        made_at=np.zeros(n, np.int64),
        seq=np.zeros(n, np.int64),
        rows=np.zeros(n, np.int64),
        nbytes=np.zeros(n, np.int64),
        failed=np.zeros(n, np.bool_),
        pinned=np.zeros(n, np.bool_),
    )


def state_over(state: DatasetState, lo: int, hi: int) -> DatasetState:
    """The state over `[lo, hi)`; ordinals that the given state lacks were never made.

    If it lacks none, the result shares its arrays.
    """
    hi = max(lo, hi)
    if (lo, hi) == (state.lo, state.hi):
        return state
    if state.lo <= lo and hi <= state.hi:
        cut = slice(lo - state.lo, hi - state.lo)
        return replace(state, lo=lo, **{name: getattr(state, name)[cut] for name in _COLUMNS})
    filled = empty_state(lo, hi - lo, state.inputs.shape[1])
    a, b = max(lo, state.lo), min(hi, state.hi)
    if a >= b:
        return filled
    for name in _COLUMNS:
        getattr(filled, name)[a - lo : b - lo] = getattr(state, name)[a - state.lo : b - state.lo]
    return filled
