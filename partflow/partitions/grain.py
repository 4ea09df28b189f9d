"""Numbers the intervals of time that a grain cuts, and reads their keys.

Knows what all grains share; knows neither how one of them cuts nor what exists.

Ordinals are absolute, so that moving `start` renumbers nothing.
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
"""How far ahead two grains without an end are compared."""
_STRETCH = 2**16
"""How many edges are compared at a time: grains that do not nest mostly show it at once."""
_CALENDAR = {"daily", "weekly", "monthly"}


@dataclass(frozen=True, slots=True)
class DataInterval:
    """The half-open `[start, end)` that a partition covers, in epoch seconds."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Grain(ABC):
    """How time is cut: a line of numbered intervals, and the range of it that is declared.

    `lo` and `hi` (None: open) are the ordinals of what overlaps the declared `[start, end)`; two
    grains are equal if they cut alike and have the same range. Moments before 1800 and after 2299
    count as those limits.
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
        """The declared moments. Needs the zone only.

        Raises:
            DeclarationError: one of them is none; noted in a load, which goes on with others.
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
        """What is wrong with a declared moment that would be rounded to this grain's intervals."""
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
        """When each interval begins, which is when the one before it ends.

        They never decrease with the ordinal; a local day that a zone skipped has no length.
        """

    @abstractmethod
    def ordinals_at(self, moments: Seconds) -> Ordinals:
        """The interval that holds each moment."""

    def _written(self, ordinals: Ordinals) -> NDArray[np.str_]:
        """The keys of ordinals."""
        return written_times(self.starts(ordinals), self.template)

    def _composed(self, numbers: list[Ordinals]) -> Ordinals:
        """The ordinals of keys whose digits are these; wrong ones may give any ordinal."""
        return self.ordinals_at(moments_written(numbers))

    @property
    def is_timed(self) -> bool:
        """Whether keys are times of UTC, since an interval may be shorter than a day.

        Not of the zone's clock, which shows an hour twice in autumn.
        """
        return "T" in self.template

    @property
    def column_type(self) -> Literal["date", "datetime"] | None:
        """The type of the partition column; None if there is none."""
        return "datetime" if self.is_timed else "date"

    def column_values(self, lo: int, hi: int) -> list[date | datetime]:
        """The partition column: dates in the grain's zone, or naive datetimes in UTC as in keys."""
        values: list[date | datetime] = self.edges(lo, hi)[:-1].astype("M8[s]").tolist()
        return values

    def edges(self, lo: int, hi: int) -> Seconds:
        """The `hi - lo + 1` bounds: interval `o` is `[edges[o - lo], edges[o - lo + 1])`."""
        return self.starts(np.arange(lo, hi + 1, dtype=np.int64))

    @property
    def signature(self) -> tuple[str, ...]:
        """What can change a result: all but the declared range."""
        return (self.kind, self.tz)

    @property
    def line(self) -> tuple[str, ...]:
        """What gives the ordinals their meaning."""
        return self.signature

    def same_line(self, other: Grain) -> bool:
        """Whether the same ordinals mean the same intervals."""
        return self.line == other.line

    def nests(self, other: Grain) -> bool:
        """Whether the intervals of one are cut exactly by those of the other, either way.

        Judged from where both are declared: over forty years, or to the earlier end if all
        depends on zones and hours alone.
        """
        return _nests(self, other)

    def begins_at(self, moments: Seconds) -> NDArray[np.bool_]:
        """At which of the moments an interval begins."""
        return np.asarray(self.starts(self.ordinals_at(moments)) == moments)

    def interval(self, ordinal: int) -> DataInterval:
        """The interval with that number."""
        start, end = self.edges(ordinal, ordinal + 1).tolist()
        return DataInterval(start, end)

    def ordinal_at(self, moment: int) -> int:
        """The interval that holds a moment in epoch seconds."""
        return int(self.ordinals_at(np.array([moment], dtype=np.int64))[0])

    def overlapping(self, start: int, end: int) -> tuple[int, int]:
        """The ordinals `[lo, hi)` of what overlaps `[start, end)`; not clipped to the range."""
        lo = self.ordinal_at(start)
        return (lo, self.ordinal_at(end - 1) + 1) if start < end else (lo, lo)

    def due(self, now: int) -> int:
        """One past the last interval that has ended; not clipped to the declared range."""
        return self.ordinal_at(now)

    def key(self, ordinal: int) -> str:
        """The text that names an interval."""
        return self.keys(ordinal, ordinal + 1)[0]

    def shown(self, ordinal: int) -> str:
        """The key as people see it, who may read hours on another clock: a time of UTC has a Z."""
        return shown_key(self.key(ordinal))

    def keys(self, lo: int, hi: int) -> list[str]:
        """The keys of `[lo, hi)`."""
        keys: list[str] = self.written(lo, hi).tolist()
        return keys

    def written(self, lo: int, hi: int) -> NDArray[np.str_]:
        """The keys of `[lo, hi)`, as an array."""
        return self._written(np.arange(lo, hi, dtype=np.int64))

    def ordinal(self, key: str) -> int:
        """The interval that a key names.

        Raises UsageError for every text that is not written exactly as `key` or `shown` writes it.
        """
        return int(self.ordinals([key])[0])

    def ordinals(self, keys: Sequence[str]) -> Ordinals:
        """The intervals that keys name; raises UsageError for the first that is not one."""
        plain = [plain_key(key) for key in keys]
        found = self._read(plain)
        if found is None:
            wrong = next(key for key in plain if self._read([key]) is None)
            raise UsageError(
                f"{wrong!r}: not a key of the grain {shown_keys_in(self.describe())!r}; "
                f"its keys look like {self.shown(self.lo)!r}"
            )
        return found

    def _read(self, keys: Sequence[str]) -> Ordinals | None:
        if not len(keys):
            return np.empty(0, dtype=np.int64)
        text = np.array(keys, dtype=np.str_)
        numbers = numbers_of(text, self.template)
        if numbers is None or numbers[0].min() not in YEARS or numbers[0].max() not in YEARS:
            return None
        found = self._composed(numbers)
        return found if np.array_equal(self._written(found), text) else None

    def moment(self, text: str) -> int:
        """The beginning, in epoch seconds, of what a person typed, read in the grain's zone.

        A date, a month, an ISO week or a time of day, which may end in Z or an offset. What the
        zone's clock skipped is where it went on; what it showed twice is the first of them.
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
        """What, given as `start`, declares a range that begins with this interval."""
        if self.is_timed:
            return self.shown(ordinal)
        return str(self.column_values(ordinal, ordinal + 1)[0])


def common_zone(grains: Iterable[Grain]) -> str:
    """The zone of all that is cut by time; UTC where there are several, or none."""
    zones = {grain.tz for grain in grains if grain.column_type is not None}
    return zones.pop() if len(zones) == 1 else "UTC"


def numbers_of(text: NDArray[np.str_], template: str) -> list[Ordinals] | None:
    """The numbers in texts of one shape, a column for each; None if one has another.

    Digit by digit, since numpy's own parser of dates takes more than what a key may be.
    """
    width = len(template)
    if text.dtype.itemsize != 4 * width:
        return None
    codes = text.view(np.uint32).reshape(-1, width).astype(np.int64) - ord("0")
    shape = np.array([ord(letter) for letter in template]) - ord("0")
    digits = codes[:, shape == 0]
    if (digits // 10).any() or (codes[:, shape != 0] != shape[shape != 0]).any():
        return None
    runs = (found.span() for found in re.finditer("0000(?=-)|00", template))
    return [codes[:, a:b] @ 10 ** np.arange(b - a, dtype=np.int64)[::-1] for a, b in runs]


def written_times(moments: Seconds, template: str) -> NDArray[np.str_]:
    """Moments as the keys of a template that ends in T00 or T0000."""
    times = moments.astype("M8[s]")
    if template.endswith("T00"):
        return np.datetime_as_string(times.astype("M8[h]"))
    text = np.datetime_as_string(times.astype("M8[m]")).astype("U16")
    letters = np.delete(text.view("U1").reshape(-1, 16), len("0000-00-00T00"), axis=1)
    return np.ascontiguousarray(letters).view(f"U{len(template)}").ravel()


def moments_written(numbers: list[Ordinals]) -> Seconds:
    """The moments of which those are the numbers: year, month, day, hour and maybe minute."""
    year, month, day, hour, *minute = numbers
    days = days_of(year, month, day)
    return days * DAY + hour * HOUR + (minute[0] * 60 if minute else 0)


@lru_cache(maxsize=1024)
def _nests(one: Grain, other: Grain) -> bool:
    if one.same_line(other) or "whole" in (one.kind, other.kind):
        return True
    kinds = {one.kind, other.kind}
    if one.tz == other.tz and kinds <= _CALENDAR:
        # Over a short range weeks may happen to fit a month; a later `end` would make that false.
        return "daily" in kinds
    begin = max(grain.interval(grain.lo).start for grain in (one, other))
    end = begin + _FAR
    if kinds <= {*_CALENDAR, "hourly"}:
        ends = [grain.interval(grain.hi - 1).end for grain in (one, other) if grain.hi is not None]
        end = next((nearest for nearest in [min([*ends, end])] if nearest > begin), end)
    counts = {grain: _count(grain, begin, end) for grain in (one, other)}
    few, many = sorted((one, other), key=counts.__getitem__)
    return _cuts(many, few, begin, end) or _cuts(few, many, begin, end)


def _count(grain: Grain, begin: int, end: int) -> int:
    lo, hi = grain.overlapping(begin, end)
    return hi - lo


def _cuts(knife: Grain, grain: Grain, begin: int, end: int) -> bool:
    """Whether all edges of a grain from one moment to another are edges of the knife."""
    lo, hi = grain.overlapping(begin, end)
    for first in range(lo, hi, _STRETCH):
        edges = grain.edges(first, min(first + _STRETCH, hi))
        inside = edges[(edges >= begin) & (edges <= end)]
        if not knife.begins_at(inside).all():
            return False
    return True
