"""Computes and numbers the moments at which a cron expression fires in a time zone.

Knows nothing of grains. cronsim, which follows Debian's cron, says what the five fields mean. It
can only step from one firing to the next; here those of a whole year are computed as one array.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from partflow.partitions.zone import DAY, HOUR, days_of_year, shown_ever, shown_first

if TYPE_CHECKING:
    from cronsim import CronSim

    from partflow.partitions.zone import Ordinals, Seconds

_FIELDS = 5
_ORIGIN = 2020
"""Firing 0 is the first of this year; a firing's number counts those of all years in between."""
_YEARS = range(1700, 2400)
"""Years whose firings can be counted: wider than the calendar, since an expression may not fire for
forty years, as on leap days that are a monday."""
_SEARCHED = range(2020, 2061)
"""An expression that does not fire in these years never fires."""
_AROUND = 2
"""How many local days before and after a year of UTC may have firings within it."""
_UNIX = date(1970, 1, 1).toordinal()


def normal_expression(text: str) -> str:
    """The expression with single spaces and names in capitals.

    ValueError, worded for the user, if cron does not understand it or if it never fires.
    """
    from cronsim import CronSimError

    expression = " ".join(text.upper().split())
    if expression.count(" ") + 1 != _FIELDS:
        raise ValueError("it has not five fields")
    try:
        _parsed(expression)
    except CronSimError as error:
        raise ValueError(str(error).lower()) from None
    if not any(len(_days(expression, *days_of_year(year))) for year in _SEARCHED):
        raise ValueError("it never fires")
    return expression


@dataclass(frozen=True, slots=True)
class Firings:
    """All firings of an expression by a zone's clock; their numbers depend on no declared range.

    If neither the minute nor the hour begins with a star, each time fires once on its day: one that
    the clock skips fires when the clock goes on, one that it shows twice fires the first time.
    With a star it fires whenever the clock shows such a time, so never or twice on those days.
    """

    expression: str
    tz: str

    def at(self, ordinals: Ordinals) -> Seconds:
        """The moments of firings, in any order; those of all years between them are computed."""
        if not len(ordinals):
            return ordinals
        year, first = self._year_of(int(ordinals.min()))
        last, _ = self._year_of(int(ordinals.max()))
        return self._in_years(year, last)[ordinals - first]

    def latest(self, moments: Seconds) -> Ordinals:
        """The number of the last firing at or before each moment."""
        if not len(moments):
            return moments
        ends = np.array([moments.min(), moments.max()]).astype("M8[s]").astype("M8[Y]")
        first, last = (ends.astype(np.int64) + 1970).tolist()
        passed = np.searchsorted(self._in_years(first, last), moments, side="right")
        return self._first_ordinal(first) + passed - 1

    def _in_years(self, first: int, last: int) -> Seconds:
        """The firings from one year of UTC to another, both included."""
        years = range(first, last + 1)
        return np.concatenate([_in_year(self.expression, self.tz, year) for year in years])

    def _first_ordinal(self, year: int) -> int:
        """The number of a year's first firing; negative before the origin."""
        since = sum(self._count(y) for y in range(_ORIGIN, year))
        return since - sum(self._count(y) for y in range(year, _ORIGIN))

    def _year_of(self, ordinal: int) -> tuple[int, int]:
        """The year in which a firing lies, and the number of that year's first firing."""
        year, first = _ORIGIN, 0
        while ordinal >= first + self._count(year):
            first += self._count(year)
            year += 1
        while ordinal < first:
            year -= 1
            first -= self._count(year)
        return year, first

    def _count(self, year: int) -> int:
        assert year in _YEARS, f"BUG: a firing of {self.expression!r} outside of the calendar"
        return _count_in_year(self.expression, self.tz, year)


@lru_cache(maxsize=8192)
def _count_in_year(expression: str, tz: str, year: int) -> int:
    return len(_in_year(expression, tz, year))


@lru_cache(maxsize=64)
def _in_year(expression: str, tz: str, year: int) -> Seconds:
    """The firings in a year of UTC, not to be written to; 4 MB if it fires every minute."""
    first, end = days_of_year(year)
    days = _days(expression, first - _AROUND, end + _AROUND)
    local = (days[:, None] * DAY + _clock(expression)).ravel()
    shown = (shown_ever if _is_wild(expression) else shown_first)(tz, year, local)
    # Keys have whole minutes of UTC; until 1972 zones were off by seconds, so this rounds up.
    minutes = -(-shown // 60) * 60
    firings = minutes[np.diff(minutes, prepend=-(2**62)) > 0]
    firings = firings[(firings >= first * DAY) & (firings < end * DAY)]
    firings.flags.writeable = False
    return firings


@lru_cache(maxsize=256)
def _parsed(expression: str) -> CronSim:
    from cronsim import CronSim

    return CronSim(expression, datetime(1970, 1, 1))  # noqa: DTZ001 - only the fields are used


def _days(expression: str, first: int, end: int) -> Ordinals:
    """Those of the local days `[first, end)` on which it fires, as days since 1970-01-01."""
    cron = _parsed(expression)
    dates = (date.fromordinal(day + _UNIX) for day in range(first, end))
    fires = [day.month in cron.months and cron.match_day(day) for day in dates]
    return first + np.flatnonzero(np.array(fires, dtype=np.bool_))


def _clock(expression: str) -> Seconds:
    """The local times of day at which it fires, in seconds since midnight, sorted."""
    cron = _parsed(expression)
    times = [hour * HOUR + minute * 60 for hour in cron.hours for minute in cron.minutes]
    return np.array(sorted(times), dtype=np.int64)


def _is_wild(expression: str) -> bool:
    """Whether its minute or its hour begins with a star."""
    minute, hour, *_ = expression.split()
    return minute.startswith("*") or hour.startswith("*")
