"""Says about which partitions of a source is to be asked now, where a function tells what is there.

Knows nothing of what was answered, or of how anybody is asked. A partition is *settled* once the
source's `settles_after` has passed since its interval's end. It is asked about when it is due, then
every `refresh_every` until it has settled, once more after that, and never again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from partflow.partitions.calendar import Whole
from partflow.partitions.sets import PartitionSet
from partflow.planning.plan import CLOCK_SLACK

if TYPE_CHECKING:
    from partflow.declarations.dataset import Source
    from partflow.partitions.calendar import Grain


@dataclass(frozen=True, slots=True)
class Tried:
    """When a partition was asked about last, in epoch seconds; and why in vain, or ""."""

    at: int
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Book:
    """What is known of the asking for one source.

    `grain` is the text of the grain's signature, by which the ordinals count. `tried` has the
    partitions that have not settled, or that could not be asked about; the `settled` are asked
    about never again.
    """

    grain: str
    tried: Mapping[int, Tried] = field(default_factory=dict)
    settled: PartitionSet = field(default_factory=PartitionSet)

    @property
    def failures(self) -> Mapping[int, Tried]:
        """The partitions that could not be asked about last time."""
        return {ordinal: tried for ordinal, tried in self.tried.items() if tried.failure}

    @property
    def newest(self) -> int | None:
        """When was asked last about what has not settled, in epoch seconds; None if never."""
        return max((tried.at for tried in self.tried.values()), default=None)


def empty_book(source: Source) -> Book:
    """The book of a source about which was never asked."""
    return Book(repr(source.grain.signature))


def unsettled(source: Source, now: int) -> PartitionSet:
    """The partitions of a source that are due and may still change, at `now` in epoch seconds.

    Those are all that are due if the source does not say after how long they settle.
    """
    due = _due(source, now)
    after = source.settling
    if after is None or isinstance(source.grain, Whole):
        return due
    ended = source.grain.due(now - int(after.total_seconds()))
    return due - PartitionSet.of([(min(source.grain.lo, ended), ended)])


def to_ask(source: Source, book: Book, now: int) -> tuple[int, ...]:
    """The partitions about which is to be asked now, the newest first.

    What was tried later than now was tried by a clock that was ahead, and is asked about.
    """
    left = _due(source, now) - book.settled
    pause = _pause(source)
    waits = {
        ordinal
        for ordinal, tried in book.tried.items()
        if tried.at <= now + CLOCK_SLACK and now - tried.at < pause
    }
    return tuple(o for lo, hi in reversed(left.ranges) for o in range(hi - 1, lo - 1, -1)
                 if o not in waits)  # fmt: skip


def next_asked_at(source: Source, book: Book) -> int | None:
    """When is to be asked again about what was tried, in epoch seconds; None if never."""
    moments = [tried.at + _pause(source) for tried in book.tried.values()]
    return min(moments, default=None)


def noted(source: Source, book: Book, tried: Mapping[int, Tried]) -> Book:
    """The book after these were tried; what was answered after it had settled is settled."""
    over = PartitionSet.of(
        (ordinal, ordinal + 1)
        for ordinal, each in tried.items()
        if not each.failure and each.at >= _settles_at(source, ordinal)
    )
    settled = book.settled | over
    both = {**book.tried, **tried}
    return Book(book.grain, {o: t for o, t in both.items() if o not in settled}, settled)


def failing_to_answer(grain: Grain, book: Book) -> Iterator[tuple[str, Tried]]:
    """The key of each partition that could not be asked about last time, in order of time."""
    for ordinal in sorted(book.failures):
        yield grain.key(ordinal), book.tried[ordinal]


def words(source: Source, book: Book, ordinal: int, said: str) -> str:
    """What is known of one partition of a source: what is `said`, since when, and when next."""
    tried = book.tried.get(ordinal)
    if tried is None:
        if ordinal in book.settled:
            return f"{said}: asked for the last time after it had settled"
        return f"{said}: nobody has asked about it yet; the next run does"
    asked = f"{said}: asked last at {_moment(tried.at)}"
    asked += f", in vain: {tried.failure}" if tried.failure else ""
    return f"{asked}; asked again by the first run after {_moment(tried.at + _pause(source))}"


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _due(source: Source, now: int) -> PartitionSet:
    grain = source.grain
    end = grain.due(now) if grain.hi is None else min(grain.hi, grain.due(now))
    return PartitionSet.of([(grain.lo, end)])


def _pause(source: Source) -> int:
    every = source.refreshing
    return 0 if every is None else int(every.total_seconds())


def _settles_at(source: Source, ordinal: int) -> float:
    after, grain = source.settling, source.grain
    if after is None or isinstance(grain, Whole):
        return float("inf")
    return grain.interval(ordinal).end + after.total_seconds()
