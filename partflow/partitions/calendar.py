"""The grains of the calendar: hours, days, weeks, months and the whole; exports the others, too.

Knows nothing of datasets or of what exists. Days, weeks and months rest on one function, which
gives the first moments of local days: a week or a month begins where its first day does.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from partflow.errors import DeclarationError, guess
from partflow.partitions.cron import Cron
from partflow.partitions.every import Every
from partflow.partitions.grain import DataInterval, Grain, common_zone
from partflow.partitions.zone import HOUR, clamped, days_at, days_of, in_zone, starts_of_days

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from numpy.typing import NDArray

    from partflow.partitions.zone import Moment, Ordinals, Seconds

__all__ = [
    "Cron",
    "Daily",
    "DataInterval",
    "Every",
    "Grain",
    "Hourly",
    "Monthly",
    "Weekly",
    "Whole",
    "common_zone",
]

ALWAYS = 2**62
"""Whole is the interval `[-ALWAYS, ALWAYS)` of epoch seconds, wider than the calendar."""

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Hourly(Grain):
    """Hours of UTC; the zone says how `start` and `end` are read and how moments are shown.

    DeclarationError, as of any `Grain`; also if `start` or `end` is no whole hour.
    """

    kind: ClassVar[str] = "hourly"
    column: ClassVar[str | None] = "hour"

    @property
    def template(self) -> str:
        """An hour of UTC, as in 2026-03-01T05."""
        return "0000-00-00T00"

    @property
    def line(self) -> tuple[str, ...]:
        """The kind alone: hours are those of UTC in every zone."""
        return (self.kind,)

    def starts(self, ordinals: Ordinals) -> Seconds:
        """Whole hours since the epoch."""
        return ordinals * HOUR

    def ordinals_at(self, moments: Seconds) -> Ordinals:
        """The hour of UTC that holds each moment."""
        return clamped(moments) // HOUR

    def _too_fine(self, moment: int) -> str | None:
        # A whole hour by the clock of the zone is taken, too: some are half an hour off UTC.
        shown = in_zone(moment, self.tz) if moment % HOUR else None
        if shown is None or not (shown.minute or shown.second):
            return None
        return (
            f"not a whole hour, and hourly partitions begin with the hour; write "
            f"'{shown:%Y-%m-%dT%H}', or the hour after it"
        )


@dataclass(frozen=True, slots=True, init=False, repr=False)
class _Calendar(Grain):
    """A grain of whole local days: an interval begins where its first day does.

    DeclarationError, as of any `Grain`; also if `start` or `end` is a time within a day.
    """

    @abstractmethod
    def _first_days(self, ordinals: Ordinals) -> Ordinals:
        """The first day of each interval, in days since 1970-01-01."""

    @abstractmethod
    def _of_days(self, days: Ordinals) -> Ordinals:
        """The interval that holds each day."""

    def starts(self, ordinals: Ordinals) -> Seconds:
        """The first moments of the intervals' first days."""
        return starts_of_days(self.tz, self._first_days(ordinals))

    def ordinals_at(self, moments: Seconds) -> Ordinals:
        """The interval of the local day that holds each moment."""
        return self._of_days(days_at(self.tz, clamped(moments)))

    def column_values(self, lo: int, hi: int) -> list[date | datetime]:
        """The intervals' first days."""
        first = self._first_days(np.arange(lo, hi, dtype=np.int64))
        values: list[date | datetime] = first.astype("M8[D]").tolist()
        return values

    def _too_fine(self, moment: int) -> str | None:
        day = days_at(self.tz, np.array([moment], dtype=np.int64))
        if int(starts_of_days(self.tz, day)[0]) == moment:
            return None
        return (
            f"a time within a day, and {self.kind} partitions begin with the day; write "
            f"'{day.astype('M8[D]')[0]}', or the day after it"
        )


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Daily(_Calendar):
    """Local days: each begins when the zone's clock first shows its date or a later one.

    Most are 24 hours long. A day on which the clock is changed is longer or shorter, mostly by an
    hour; a day that the zone skipped has no length.
    """

    kind: ClassVar[str] = "daily"
    column: ClassVar[str | None] = "date"

    @property
    def template(self) -> str:
        """A date, as in 2026-03-01."""
        return "0000-00-00"

    def _first_days(self, ordinals: Ordinals) -> Ordinals:
        return ordinals

    def _of_days(self, days: Ordinals) -> Ordinals:
        return days

    def _written(self, ordinals: Ordinals) -> NDArray[np.str_]:
        return np.datetime_as_string(ordinals.astype("M8[D]"))

    def _composed(self, numbers: list[Ordinals]) -> Ordinals:
        year, month, day = numbers
        return days_of(year, month, day)


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Weekly(_Calendar):
    """Weeks; they are ISO weeks if they begin on monday. Week 0 holds 1970-01-01.

    DeclarationError, as of any `Grain`; also if `first_day` is no day of the week.
    """

    first_day: str

    kind: ClassVar[str] = "weekly"
    column: ClassVar[str | None] = "week"

    def __init__(
        self,
        start: Moment,
        end: Moment | None = None,
        tz: str = "UTC",
        first_day: str = "monday",
    ) -> None:
        if first_day not in WEEKDAYS:
            advice = guess(str(first_day).lower(), WEEKDAYS, "write it as 'monday'")
            problem = f"Weekly(first_day={first_day!r}): not a day of the week; {advice}"
            self._refuse(DeclarationError(problem))
            first_day = "monday"
        object.__setattr__(self, "tz", tz)
        object.__setattr__(self, "first_day", first_day)
        self._declare(start, end)

    def __repr__(self) -> str:
        day = "" if self._is_iso else f", first_day={self.first_day!r}"
        # Not super(): slots=True makes a second class, and super() would refer to the first one.
        return Grain.__repr__(self)[:-1] + day + ")"

    @property
    def _is_iso(self) -> bool:
        return self.first_day == "monday"

    @property
    def _anchor(self) -> int:
        """The first day of week 0; 1970-01-01 was a Thursday."""
        return -((3 - WEEKDAYS.index(self.first_day)) % 7)

    @property
    def template(self) -> str:
        """An ISO week, as in 2026-W09, or the date of the first day."""
        return "0000-W00" if self._is_iso else "0000-00-00"

    @property
    def signature(self) -> tuple[str, ...]:
        """The kind, the zone and the first day."""
        return (self.kind, self.tz, self.first_day)

    def describe(self) -> str:
        """The kind; the first day unless it is monday; the zone unless it is UTC."""
        kind = self.kind if self._is_iso else f"{self.kind} from {self.first_day}"
        return kind if self.tz == "UTC" else f"{kind}, {self.tz}"

    def _first_days(self, ordinals: Ordinals) -> Ordinals:
        return self._anchor + 7 * ordinals

    def _of_days(self, days: Ordinals) -> Ordinals:
        return (days - self._anchor) // 7

    def _written(self, ordinals: Ordinals) -> NDArray[np.str_]:
        days = self._first_days(ordinals).astype("M8[D]")
        if not self._is_iso:
            return np.datetime_as_string(days)
        calendar = (day.isocalendar() for day in days.tolist())
        return np.array([f"{c.year:04}-W{c.week:02}" for c in calendar], dtype=np.str_)

    def _composed(self, numbers: list[Ordinals]) -> Ordinals:
        if not self._is_iso:
            year, month, day = numbers
            return self._of_days(days_of(year, month, day))
        year, week = numbers
        fourth = days_of(
            year, np.ones_like(year), np.full_like(year, 4)
        )  # 4 January is always in week 1
        return self._of_days(fourth) + week - 1


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Monthly(_Calendar):
    """Local months; month 0 is January 1970."""

    kind: ClassVar[str] = "monthly"
    column: ClassVar[str | None] = "month"

    @property
    def template(self) -> str:
        """A month, as in 2026-03."""
        return "0000-00"

    def _first_days(self, ordinals: Ordinals) -> Ordinals:
        return ordinals.astype("M8[M]").astype("M8[D]").astype(np.int64)

    def _of_days(self, days: Ordinals) -> Ordinals:
        return days.astype("M8[D]").astype("M8[M]").astype(np.int64)

    def _written(self, ordinals: Ordinals) -> NDArray[np.str_]:
        return np.datetime_as_string(ordinals.astype("M8[M]"))

    def _composed(self, numbers: list[Ordinals]) -> Ordinals:
        year, month = numbers
        return (year - 1970) * 12 + month - 1


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Whole(Grain):
    """Time that is not cut: one partition with the key `all`, which overlaps everything."""

    kind: ClassVar[str] = "whole"
    column: ClassVar[str | None] = None

    def __init__(self) -> None:
        object.__setattr__(self, "tz", "UTC")
        object.__setattr__(self, "lo", 0)
        object.__setattr__(self, "hi", 1)

    def __repr__(self) -> str:
        return "Whole()"

    @property
    def template(self) -> str:
        """No digit: its one key is `all`."""
        return "all"

    @property
    def column_type(self) -> Literal["date", "datetime"] | None:
        """None: the whole has no partition column."""
        return None

    @property
    def signature(self) -> tuple[str, ...]:
        """The kind: the whole is the same in every zone."""
        return (self.kind,)

    def starts(self, ordinals: Ordinals) -> Seconds:
        """The beginning of all time for ordinal 0, its end for ordinal 1."""
        return np.array([-ALWAYS, ALWAYS])[ordinals]

    def ordinals_at(self, moments: Seconds) -> Ordinals:
        """Zero: the one interval holds every moment."""
        return np.zeros(len(moments), dtype=np.int64)

    def due(self, now: int) -> int:
        """One: the whole is always due."""
        del now
        return 1

    def column_values(self, lo: int, hi: int) -> list[date | datetime]:
        """None: the whole has no partition column."""
        del lo, hi
        return []

    def start_of(self, ordinal: int) -> None:
        """None: the whole has no beginning."""
        del ordinal

    def end_of(self, ordinal: int) -> None:
        """None: the whole has no end."""
        del ordinal

    def date_of(self, ordinal: int) -> None:
        """None: the whole has no beginning."""
        del ordinal

    def _read(self, keys: Sequence[str]) -> Ordinals | None:
        are_keys = all(key == "all" for key in keys)
        return np.zeros(len(keys), dtype=np.int64) if are_keys else None

    def _written(self, ordinals: Ordinals) -> NDArray[np.str_]:
        return np.full(len(ordinals), "all")

    def _composed(self, numbers: list[Ordinals]) -> Ordinals:
        return numbers[0]
