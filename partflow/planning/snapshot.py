"""Fingerprints of what partitions were made from, and the snapshot of all that is current.

Knows nothing of files or frames: content fingerprints come in as texts and leave as numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LANES = 2
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xA24BAED4963EE407)
_SECOND = np.uint64(0x9FB21C651E98DF25)


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


def lanes(fingerprint: str) -> tuple[int, int]:
    """The two 64-bit numbers of a fingerprint's 32 hexadecimal digits; a tag before is left out."""
    digits = fingerprint.rpartition(":")[2]
    return int(digits[:16], 16), int(digits[16:32], 16)


def lanes_array(fingerprints: list[str | None]) -> NDArray[np.uint64]:
    """The lanes of many fingerprints, shape (n, 2); None is zero."""
    found = [(0, 0) if f is None else lanes(f) for f in fingerprints]
    return np.array(found, np.uint64).reshape(-1, LANES)


def elements(starts: NDArray[np.int64], content: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """What each partition adds to the digest of a range: 128 bits over its start and content.

    A partition without content adds nothing. Both lanes mix both lanes of the content, with the
    finalizer of splitmix64 (Steele, Lea, Flood 2014), so that their sum over a range stands for the
    set of (start, content) pairs in it.
    """
    return salted(salts(starts), content)


def salts(starts: NDArray[np.int64]) -> NDArray[np.uint64]:
    """What the starts give to elements, shape (2, n): the same for all datasets of a grain."""
    start = starts.astype(np.uint64)
    return _mixed(np.stack([start ^ _FIRST, start ^ _SECOND]))


def salted(salt: NDArray[np.uint64], content: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The elements of contents whose starts gave this salt, shape (n, 2)."""
    pair = np.ascontiguousarray(content.T)
    found = np.ascontiguousarray(_mixed(pair + _mixed(pair[::-1] ^ salt)).T)
    present = pair[0] | pair[1]
    if not present.all():
        found[present == 0] = 0
    return found


def prefix(parts: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sums of the first 0, 1, 2, ... elements, modulo 2**64 in each lane; shape (n + 1, 2)."""
    found = np.zeros((len(parts) + 1, LANES), np.uint64)
    np.cumsum(parts, axis=0, dtype=np.uint64, out=found[1:])
    return found


def range_digest(parts: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The digest of one range from its elements; equal to the difference of its prefix sums."""
    return np.asarray(parts.sum(axis=0, dtype=np.uint64))


def _mixed(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Of each number another; `x` is written over, and no more than one array is made beside it."""
    x += _GOLDEN
    shifted = x >> np.uint64(30)
    x ^= shifted
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= np.right_shift(x, np.uint64(27), out=shifted)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= np.right_shift(x, np.uint64(31), out=shifted)
    return x
