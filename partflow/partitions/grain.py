"""What all grains share: they cut time into intervals, number these, and write and read their keys.

Knows neither how a certain grain cuts nor what exists. Ordinals are absolute: to move `start`
renumbers nothing.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from partflow.errors import DeclarationError, UsageError
from partflow.partitions.declaring import declared_at, refuse
from partflow.partitions.keytexts import plain_key, shown_key, shown_keys_in
from partflow.partitions.zone import (
    DAY,
    HOUR,
    YEARS,
    days_of,
    in_zone,
    moment_of,
    plain_date,
    zone_problem,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime

    import pendulum
    from numpy.typing import NDArray

    from partflow.partitions.zone import Moment, Ordinals, Seconds

_FAR = 40 * 366 * DAY
"""How many seconds of two grains are compared at most, to see whether they nest: forty years."""
_STRETCH = 2**16
"""How many edges are compared at a time: if grains do not nest, the first few mostly show it."""
_CALENDAR = {"daily", "weekly", "monthly"}


@dataclass(frozen=True, slots=True)
class DataInterval:
    """The half-open `[start, end)` that a partition covers, in epoch seconds."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Grain(ABC):
    """How time is cut: a line of numbered intervals, and the range of them that is declared.

    The intervals that overlap the declared `[start, end)` have the ordinals `[lo, hi)`; `hi` is
    None if there is no end. Two grains are equal if they cut alike and have the same range. Moments
    before 1800 or after 2299 are moved to those limits.

    DeclarationError if the zone is unknown, if `start` or `end` is no date of the calendar, or if
    `end` is not later than `start`; the load of a project raises all of them together.
    """

    lo: int
    hi: int | None
    tz: str

    kind: ClassVar[str]
    column: ClassVar[str | None]

    def __init__(self, start: Moment, end: Moment | None = None, tz: str = "UTC") -> None:
        object.__setattr__(self, "tz", tz)
        self._declare(start, end)

    def _declare(self, start: Moment, end: Moment | None) -> None:
        self._limit(*self._between(start, end))

    def _between(self, start: Moment, end: Moment | None) -> tuple[int, int | None]:
        """The declared start and end as epoch seconds; of the grain's fields it needs `tz` alone.

        DeclarationError as the class says. If a load notes it, the range is 1970 and all after it.
        """
        try:
            return self._checked(start, end)
        except DeclarationError as error:
            self._refuse(error)
            object.__setattr__(self, "tz", "UTC")
            return 0, None

    def _refuse(self, error: DeclarationError) -> None:
        refuse(DeclarationError(f"{declared_at()}: {error}"), self)

    def _checked(self, start: Moment, end: Moment | None) -> tuple[int, int | None]:
        name = type(self).__name__
        if problem := zone_problem(self.tz):
            raise DeclarationError(f"{name}(tz={self.tz!r}): {problem}")
        begin = self._declared("start", start)
        until = None if end is None else self._declared("end", end)
        if until is not None and until <= begin:
            raise DeclarationError(
                f"{name}(start={start!r}, end={end!r}): ends before it has begun; "
                "end is exclusive and must be later than start"
            )
        return begin, until

    def _limit(self, begin: int, until: int | None) -> None:
        object.__setattr__(self, "lo", self.ordinal_at(begin))
        object.__setattr__(self, "hi", None if until is None else self.ordinal_at(until - 1) + 1)

    def _declared(self, argument: str, value: Moment) -> int:
        what = f"{type(self).__name__}({argument}={value!r})"
        try:
            moment = moment_of(value, self.tz)
        except ValueError as problem:
            advice = "; leave it out for no end" if argument == "end" else ""
            raise DeclarationError(f"{what}: {problem}{advice}") from None
        if too_fine := self._too_fine(moment):
            raise DeclarationError(f"{what}: {too_fine}")
        return moment

    def _too_fine(self, moment: int) -> str | None:
        """What is wrong with a declared moment that this grain could only round; else None."""
        del moment
        return None

    def __repr__(self) -> str:
        end = "" if self.hi is None else f", end={self._begin_text(self.hi)!r}"
        zone = "" if self.tz == "UTC" else f", tz={self.tz!r}"
        return f"{type(self).__name__}({self._begin_text(self.lo)!r}{end}{zone})"

    @property
    @abstractmethod
    def template(self) -> str:
        """The shape of a key, with 0 for a digit."""

    @abstractmethod
    def starts(self, ordinals: Ordinals) -> Seconds:
        """The epoch seconds at which each interval begins, and the one before it ends.

        A later interval never begins earlier; a local day that a zone skipped has no length.
        """

    @abstractmethod
    def ordinals_at(self, moments: Seconds) -> Ordinals:
        """The ordinal of the interval that holds each moment."""

    def _written(self, ordinals: Ordinals) -> NDArray[np.str_]:
        """The keys of ordinals."""
        return written_times(self.starts(ordinals), self.template)

    def _composed(self, numbers: list[Ordinals]) -> Ordinals:
        """The ordinals of keys; `numbers` has an array for each number in them, such as the years.

        Numbers that stand in no key may give any ordinal: `_read` writes the keys again to compare.
        """
        return self.ordinals_at(moments_written(numbers))

    @property
    def is_timed(self) -> bool:
        """Whether keys are times and not dates, since an interval may be shorter than a day.

        They are times of UTC: the clock of a zone may show an hour twice in autumn.
        """
        return "T" in self.template

    @property
    def column_type(self) -> Literal["date", "datetime"] | None:
        """The type of the partition column; None if there is none."""
        return "datetime" if self.is_timed else "date"

    def column_values(self, lo: int, hi: int) -> list[date | datetime]:
        """The partition column of `[lo, hi)`: local dates, or naive datetimes in UTC."""
        values: list[date | datetime] = self.edges(lo, hi)[:-1].astype("M8[s]").tolist()
        return values

    def edges(self, lo: int, hi: int) -> Seconds:
        """The `hi - lo + 1` bounds: interval `o` is `[edges[o - lo], edges[o - lo + 1])`."""
        return self.starts(np.arange(lo, hi + 1, dtype=np.int64))

    @property
    def signature(self) -> tuple[str, ...]:
        """What of the grain can change a task's result: all but the declared range."""
        return (self.kind, self.tz)

    @property
    def line(self) -> tuple[str, ...]:
        """What gives the ordinals their meaning: equal if these mean the same intervals."""
        return self.signature

    def same_line(self, other: Grain) -> bool:
        """Whether the same ordinals mean the same intervals."""
        return self.line == other.line

    def nests(self, other: Grain) -> bool:
        """Whether the intervals of one are made of whole intervals of the other, either way.

        Of days, weeks and months in one zone, only days nest with the others. Other grains are
        compared from the later start on: for forty years, or to an earlier end of one if both are
        hours, days, weeks or months.
        """
        return _nests(self, other)

    def begins_at(self, moments: Seconds) -> NDArray[np.bool_]:
        """At which of the moments an interval begins."""
        return np.asarray(self.starts(self.ordinals_at(moments)) == moments)

    def interval(self, ordinal: int) -> DataInterval:
        """The interval with that ordinal."""
        start, end = self.edges(ordinal, ordinal + 1).tolist()
        return DataInterval(start, end)

    def ordinal_at(self, moment: int) -> int:
        """The ordinal of the interval that holds a moment in epoch seconds."""
        return int(self.ordinals_at(np.array([moment], dtype=np.int64))[0])

    def overlapping(self, start: int, end: int) -> tuple[int, int]:
        """The ordinals `[lo, hi)` of what overlaps `[start, end)`, declared or not."""
        lo = self.ordinal_at(start)
        return (lo, self.ordinal_at(end - 1) + 1) if start < end else (lo, lo)

    def due(self, now: int) -> int:
        """One past the last interval that has ended at `now`, declared or not."""
        return self.ordinal_at(now)

    def key(self, ordinal: int) -> str:
        """The text that names an interval."""
        return self.keys(ordinal, ordinal + 1)[0]

    def shown(self, ordinal: int) -> str:
        """The key as people see it: a time of UTC ends in Z, as their clocks may differ."""
        return shown_key(self.key(ordinal))

    def keys(self, lo: int, hi: int) -> list[str]:
        """The keys of `[lo, hi)`."""
        keys: list[str] = self.written(lo, hi).tolist()
        return keys

    def written(self, lo: int, hi: int) -> NDArray[np.str_]:
        """The keys of `[lo, hi)`, as an array."""
        return self._written(np.arange(lo, hi, dtype=np.int64))

    def ordinal(self, key: str) -> int:
        """The ordinal that a key names; UsageError unless it is as `key` or `shown` writes it."""
        return int(self.ordinals([key])[0])

    def ordinals(self, keys: Sequence[str]) -> Ordinals:
        """The ordinals that keys name; UsageError for the first text that is no key."""
        plain = [plain_key(key) for key in keys]
        ordinals = self._read(plain)
        if ordinals is None:
            wrong = next(key for key in plain if self._read([key]) is None)
            raise UsageError(
                f"{wrong!r}: not a key of the grain {shown_keys_in(self.describe())!r}; "
                f"its keys look like {self.shown(self.lo)!r}"
            )
        return ordinals

    def _read(self, keys: Sequence[str]) -> Ordinals | None:
        """The ordinals that keys without a Z name; None if one of them is no key."""
        if not len(keys):
            return np.empty(0, dtype=np.int64)
        text = np.array(keys, dtype=np.str_)
        numbers = numbers_of(text, self.template)
        if numbers is None or numbers[0].min() not in YEARS or numbers[0].max() not in YEARS:
            return None
        ordinals = self._composed(numbers)
        return ordinals if np.array_equal(self._written(ordinals), text) else None

    def moment(self, text: str) -> int:
        """The epoch second at which a date begins that a person typed, read in the grain's zone.

        It may be a date, a month, an ISO week, or a date and a time, which may end in Z or an
        offset. A time that the zone's clock skipped is when the clock went on; of a time that it
        showed twice the first counts. UsageError if the text is none of these.
        """
        try:
            return moment_of(text, self.tz)
        except ValueError as problem:
            raise UsageError(
                f"{text!r}: {problem}, '2024-01-31T05', '2024-01' or '2024-W05'"
            ) from None

    def start_of(self, ordinal: int) -> pendulum.DateTime | None:
        """The beginning of an interval, aware, in the grain's zone; None for Whole."""
        return in_zone(self.interval(ordinal).start, self.tz)

    def end_of(self, ordinal: int) -> pendulum.DateTime | None:
        """The exclusive end of an interval, aware, in the grain's zone; None for Whole."""
        return in_zone(self.interval(ordinal).end, self.tz)

    def date_of(self, ordinal: int) -> pendulum.Date | None:
        """The local date on which an interval begins; None for Whole."""
        if self.is_timed:
            start = self.start_of(ordinal)
            return None if start is None else start.date()
        return plain_date(self.column_values(ordinal, ordinal + 1)[0])

    def describe(self) -> str:
        """The kind and, unless it is UTC, the zone: `daily, Europe/Berlin`."""
        return self.kind if self.tz == "UTC" else f"{self.kind}, {self.tz}"

    def _begin_text(self, ordinal: int) -> str:
        """The text that, given as `start`, declares a range that begins with this interval."""
        if self.is_timed:
            return self.shown(ordinal)
        return str(self.column_values(ordinal, ordinal + 1)[0])


def common_zone(grains: Iterable[Grain]) -> str:
    """The zone of those grains that are cut by time; UTC if they have several, or none is cut."""
    zones = {grain.tz for grain in grains if grain.column_type is not None}
    return zones.pop() if len(zones) == 1 else "UTC"


def numbers_of(text: NDArray[np.str_], template: str) -> list[Ordinals] | None:
    """The numbers in texts of the shape `template`, an array for each; None if a text has another.

    They are read digit by digit, since numpy's own parser of dates takes more than keys.
    """
    width = len(template)
    if text.dtype.itemsize != 4 * width:
        return None
    codes = text.view(np.uint32).reshape(-1, width).astype(np.int64) - ord("0")
    shape = np.array([ord(letter) for letter in template]) - ord("0")
    digits = codes[:, shape == 0]
    if (digits // 10).any() or (codes[:, shape != 0] != shape[shape != 0]).any():
        return None
    runs = (match.span() for match in re.finditer("0000(?=-)|00", template))
    return [codes[:, a:b] @ 10 ** np.arange(b - a, dtype=np.int64)[::-1] for a, b in runs]


def written_times(moments: Seconds, template: str) -> NDArray[np.str_]:
    """Moments as keys of the shape `template`, which ends in T00 or T0000."""
    times = moments.astype("M8[s]")
    if template.endswith("T00"):
        return np.datetime_as_string(times.astype("M8[h]"))
    text = np.datetime_as_string(times.astype("M8[m]")).astype("U16")
    letters = np.delete(text.view("U1").reshape(-1, 16), len("0000-00-00T00"), axis=1)
    return np.ascontiguousarray(letters).view(f"U{len(template)}").ravel()


def moments_written(numbers: list[Ordinals]) -> Seconds:
    """The moments of UTC whose years, months, days, hours and perhaps minutes are given."""
    year, month, day, hour, *minute = numbers
    days = days_of(year, month, day)
    return days * DAY + hour * HOUR + (minute[0] * 60 if minute else 0)


@lru_cache(maxsize=1024)
def _nests(grain: Grain, other: Grain) -> bool:
    kinds = {grain.kind, other.kind}
    if grain.same_line(other) or "whole" in kinds:
        return True
    if grain.tz == other.tz and kinds <= _CALENDAR:
        # Over a short range weeks may happen to fit a month; a later `end` would make that false.
        return "daily" in kinds
    both = (grain, other)
    begin = max(g.interval(g.lo).start for g in both)
    end = begin + _FAR
    if kinds <= {*_CALENDAR, "hourly"}:
        nearest = min([end, *(g.interval(g.hi - 1).end for g in both if g.hi is not None)])
        end = nearest if nearest > begin else end
    few, many = sorted(both, key=lambda g: _count(g, begin, end))
    return _cuts(many, few, begin, end) or _cuts(few, many, begin, end)


def _count(grain: Grain, begin: int, end: int) -> int:
    lo, hi = grain.overlapping(begin, end)
    return hi - lo


def _cuts(knife: Grain, grain: Grain, begin: int, end: int) -> bool:
    """Whether each edge of a grain from one moment to another is an edge of the knife, too."""
    lo, hi = grain.overlapping(begin, end)
    for first in range(lo, hi, _STRETCH):
        edges = grain.edges(first, min(first + _STRETCH, hi))
        inside = edges[(edges >= begin) & (edges <= end)]
        if not knife.begins_at(inside).all():
            return False
    return True
