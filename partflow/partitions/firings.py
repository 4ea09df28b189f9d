"""When a cron expression fires in a time zone, a year at a time and numbered.

Knows nothing of grains. What the five fields mean is cronsim's, which follows Debian's cron; it
steps from one firing to the next, so that its clock is replaced here by arrays of whole years.
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
"""The year whose first firing is number 0; years from here to those in use are counted once."""
_YEARS = range(1700, 2400)
"""More than the calendar's, since a leap day that is a monday may be forty years away."""
_SEARCHED = range(2020, 2061)
_AROUND = 2
_UNIX = date(1970, 1, 1).toordinal()


def normal_expression(text: str) -> str:
    """The expression with single spaces and names in capitals.

    Raises ValueError, worded for the reader, for what cron does not understand or never fires.
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
    """All firings of an expression by a zone's clock, numbered whatever is declared of them.

    Those at fixed times fire once a day whatever the clock does: one that it skips when it goes
    on, one that it shows twice at the first. With a star for the minute or the hour they fire at
    every moment at which the clock shows such a time.
    """

    expression: str
    tz: str

    def at(self, ordinals: Ordinals) -> Seconds:
        """The moments of firings; all between them are looked at."""
        if not len(ordinals):
            return ordinals
        year, first = self._year_of(int(ordinals.min()))
        last, _ = self._year_of(int(ordinals.max()))
        return self._in_years(year, last)[ordinals - first]

    def latest(self, moments: Seconds) -> Ordinals:
        """The last firing at or before each moment."""
        if not len(moments):
            return moments
        ends = np.array([moments.min(), moments.max()]).astype("M8[s]").astype("M8[Y]")
        first, last = (ends.astype(np.int64) + 1970).tolist()
        found = np.searchsorted(self._in_years(first, last), moments, side="right")
        return self._first_ordinal(first) + found - 1

    def _in_years(self, first: int, last: int) -> Seconds:
        years = range(first, last + 1)
        return np.concatenate([_in_year(self.expression, self.tz, year) for year in years])

    def _first_ordinal(self, year: int) -> int:
        after = sum(self._count(y) for y in range(_ORIGIN, year))
        return after - sum(self._count(y) for y in range(year, _ORIGIN))

    def _year_of(self, ordinal: int) -> tuple[int, int]:
        """The year of a firing, and the number of its first one."""
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
    """The firings in a year of UTC; 4 MB for one that fires every minute."""
    first, end = days_of_year(year)
    days = _days(expression, first - _AROUND, end + _AROUND)
    local = (days[:, None] * DAY + _clock(expression)).ravel()
    shown = (shown_ever if _is_wild(expression) else shown_first)(tz, year, local)
    # Keys go to the minute of UTC, from which zones were off by seconds until 1972.
    minutes = -(-shown // 60) * 60
    found = minutes[np.diff(minutes, prepend=-(2**62)) > 0]
    found = found[(found >= first * DAY) & (found < end * DAY)]
    found.flags.writeable = False
    return found


@lru_cache(maxsize=256)
def _parsed(expression: str) -> CronSim:
    from cronsim import CronSim

    return CronSim(expression, datetime(1970, 1, 1))  # noqa: DTZ001 - only the fields are used


def _days(expression: str, first: int, end: int) -> Ordinals:
    """The local days of `[first, end)` on which it fires."""
    cron = _parsed(expression)
    dates = (date.fromordinal(day + _UNIX) for day in range(first, end))
    fires = [day.month in cron.months and cron.match_day(day) for day in dates]
    return first + np.flatnonzero(np.array(fires, dtype=np.bool_))


def _clock(expression: str) -> Seconds:
    """The local times of day at which it fires."""
    cron = _parsed(expression)
    times = [hour * HOUR + minute * 60 for hour in cron.hours for minute in cron.minutes]
    return np.array(sorted(times), dtype=np.int64)


def _is_wild(expression: str) -> bool:
    minute, hour, *_ = expression.split()
    return minute.startswith("*") or hour.startswith("*")
