"""One partition as users see it, and sets of partitions as ranges of ordinals.

Knows nothing of datasets: a set is sorted, disjoint, half-open ranges on one grain's line.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pendulum import Date, DateTime

    from partflow.partitions.calendar import Grain


@dataclass(frozen=True, slots=True)
class Partition:
    """The partition that a task is called for; in a batch, the span of all of them.

    `start` and `end` are aware, half-open, in the dataset's zone; `date` is the date of the start.
    All three are None for a dataset that is Whole.
    """

    key: str
    start: DateTime | None
    end: DateTime | None
    date: Date | None

    @staticmethod
    def of(grain: Grain, ordinal: int) -> Partition:
        """The partition with that ordinal on the grain's line."""
        return Partition(
            grain.key(ordinal),
            grain.start_of(ordinal),
            grain.end_of(ordinal),
            grain.date_of(ordinal),
        )

    @staticmethod
    def spanning(grain: Grain, first: int, last: int) -> Partition:
        """All partitions from one ordinal to another, both included, as a batch has them."""
        if first == last:
            return Partition.of(grain, first)
        return Partition(
            f"{grain.key(first)}..{grain.key(last)}",
            grain.start_of(first),
            grain.end_of(last),
            grain.date_of(first),
        )


@dataclass(frozen=True, slots=True)
class PartitionSet:
    """Ordinals as sorted, disjoint ranges `[lo, hi)` that do not touch."""

    ranges: tuple[tuple[int, int], ...] = ()

    @staticmethod
    def of(ranges: Iterable[tuple[int, int]]) -> PartitionSet:
        """The union of any ranges; empty ones are dropped."""
        merged: list[tuple[int, int]] = []
        for lo, hi in sorted(r for r in ranges if r[0] < r[1]):
            if merged and lo <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(hi, merged[-1][1]))
            else:
                merged.append((lo, hi))
        return PartitionSet(tuple(merged))

    @staticmethod
    def where(mask: NDArray[np.bool_], lo: int) -> PartitionSet:
        """The ordinals for which the mask, which begins at the ordinal `lo`, is true."""
        flips = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
        pairs = (flips + lo).reshape(-1, 2).tolist()
        return PartitionSet(tuple((a, b) for a, b in pairs))

    @staticmethod
    def joined(a: NDArray[np.int64], b: NDArray[np.int64]) -> PartitionSet:
        """The union of the ranges `[a, b)`, neither end of which ever decreases."""
        some = a < b
        a, b = a[some], b[some]
        if not len(a):
            return PartitionSet()
        is_first = np.concatenate(([True], a[1:] > b[:-1]))
        is_last = np.concatenate((is_first[1:], [True]))
        return PartitionSet(tuple(zip(a[is_first].tolist(), b[is_last].tolist(), strict=True)))

    def mask(self, lo: int, hi: int) -> NDArray[np.bool_]:
        """Which ordinals of `[lo, hi)` are in the set."""
        mask = np.zeros(hi - lo, np.bool_)
        for a, b in self.ranges:
            mask[max(a - lo, 0) : max(b - lo, 0)] = True
        return mask

    def __or__(self, other: PartitionSet) -> PartitionSet:
        """What is in either."""
        return PartitionSet.of((*self.ranges, *other.ranges))

    def __and__(self, other: PartitionSet) -> PartitionSet:
        """What is in both."""
        common, i, k = [], 0, 0
        while i < len(self.ranges) and k < len(other.ranges):
            (a, b), (c, d) = self.ranges[i], other.ranges[k]
            if max(a, c) < min(b, d):
                common.append((max(a, c), min(b, d)))
            i, k = (i + 1, k) if b <= d else (i, k + 1)
        return PartitionSet(tuple(common))

    def __sub__(self, other: PartitionSet) -> PartitionSet:
        """What is in this one and not in the other."""
        if not self.ranges or not other.ranges:
            return self
        # What is left is in one of the gaps of the other set, the two outer ones included.
        first, last = self.ranges[0][0], self.ranges[-1][1]
        inner = [bound for pair in other.ranges for bound in pair]
        ends = (*inner[::2], max(last, inner[-1]))
        gaps = zip((min(first, inner[0]), *inner[1::2]), ends, strict=True)
        return self & PartitionSet(tuple(gap for gap in gaps if gap[0] < gap[1]))

    def __contains__(self, ordinal: int) -> bool:
        """Whether an ordinal is in the set."""
        i = bisect_right(self.ranges, ordinal, key=lambda pair: pair[0])
        return i > 0 and ordinal < self.ranges[i - 1][1]

    def __len__(self) -> int:
        """How many ordinals."""
        return sum(hi - lo for lo, hi in self.ranges)

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.ranges)

    def __iter__(self) -> Iterator[int]:
        """Every ordinal, in order."""
        for lo, hi in self.ranges:
            yield from range(lo, hi)
