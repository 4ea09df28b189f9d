"""All that is current at one moment, as arrays: what a plan goes by.

Knows nothing of files or frames, nor of how anything is recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from partflow.planning.digests import LANES

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Condition(IntEnum):
    """How a partition's file stands beside its record."""

    ABSENT = 0
    """No record of it, and for a source no file."""
    GOOD = 1
    """The file is what was recorded."""
    GONE = 2
    """Recorded, and its file is not there."""
    DAMAGED = 3
    """Recorded (or a source's file), and the file cannot be read."""
    CHANGED = 4
    """The file reads well and is none that was ever recorded for this partition."""


@dataclass(frozen=True, slots=True)
class DatasetState:
    """What is current of one dataset or effect, as arrays over the ordinals from `lo` on.

    All arrays have one entry a partition. `content` and `code` are fingerprints in two lanes,
    shape (n, 2); `inputs` holds one digest for each read, shape (n, reads, 2); `reads` is how many
    of those were recorded. `seq` numbers materializations, 0 where there is none; `made_at` is in
    epoch seconds; `failed` says that the last attempt failed, `pinned` that the file is somebody's
    and was accepted.
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


_COLUMNS = tuple(one.name for one in fields(DatasetState) if one.name != "lo")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a file cannot be read: its path, relative to the project where it lies there, and words.

    `reason` says what is wrong with it and `advice` what to do, each without the path.
    """

    file: str
    reason: str
    advice: str


@dataclass(frozen=True, slots=True)
class Varied:
    """Two partitions of a source whose files came to different types of a column.

    `schema` is the line to declare that reads both; None if no schema does.
    """

    source: str
    column: str
    keys: tuple[str, str]
    kinds: tuple[str, str]
    schema: str | None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """The first partition of a source that has columns which its schema leaves out."""

    source: str
    key: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is current at one moment, for every dataset and effect of a graph.

    `codes` gives each task's present code fingerprint, `older` what that same code was under rules
    of before, where it was another and nothing was made by it since. `effects_since` gives for an
    effect the ordinal that was the newest due one when it was first seen; a new effect is missing.
    `now` is in epoch seconds; `version` is the last sequence number of the metastore.
    `perhaps_done` gives for an effect the ordinals that a run began which then was cut off, each
    with that run.
    `unreadable` says by (dataset, key) why a file cannot be read. `newest_at` is when what was
    recorded last was made, in epoch seconds; 0 if nothing was. `varied` and `left_out` say how the
    files of sources that were looked at differ from one another, and from their schemas.
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


def empty_state(lo: int, n: int, reads: int = 0) -> DatasetState:
    """Nothing was ever recorded of the `n` partitions from `lo` on."""
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
    """A state cut to `[lo, hi)`; what lies outside of it was never made.

    What lies within shares its arrays with the state.
    """
    hi = max(lo, hi)
    if (lo, hi) == (state.lo, state.hi):
        return state
    if state.lo <= lo and hi <= state.hi:
        cut = slice(lo - state.lo, hi - state.lo)
        return replace(state, lo=lo, **{name: getattr(state, name)[cut] for name in _COLUMNS})
    found = empty_state(lo, hi - lo, state.inputs.shape[1])
    a, b = max(lo, state.lo), min(hi, state.hi)
    if a >= b:
        return found
    for name in _COLUMNS:
        getattr(found, name)[a - lo : b - lo] = getattr(state, name)[a - state.lo : b - state.lo]
    return found
