"""Where the days of a time zone begin, and which moment a person means by a date.

The only module that knows zones and pendulum; knows nothing of grains.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from partflow.errors import guess

if TYPE_CHECKING:
    from collections.abc import Callable

    import pendulum

Moment = str | date | datetime
"""How a person writes a moment. What has no offset from UTC of its own is read in a zone."""

Ordinals = NDArray[np.int64]
Seconds = NDArray[np.int64]
"""Moments as whole seconds since 1970-01-01T00:00Z."""

HOUR, DAY = 3600, 86400
YEARS = range(1800, 2300)
"""The years of the calendar: dates outside of them are refused."""

_NO_PLACES = ("localtime", "posixrules", "Factory")
"""Names in the time zone database that mean no place, but what a machine has set."""
_NEVER = np.iinfo(np.int64).max
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DATE = re.compile(r"(?a)\d{4}-\d\d-\d\d")
_MONTH = re.compile(r"(?a)\d{4}-\d\d")
_WEEK = re.compile(r"(?a)(\d{4})-W(\d\d)")
_CLOCK = re.compile(
    r"(?a)\d{4}-\d\d-\d\d[T ]([01]\d|2[0-3])(:?[0-5]\d(:?[0-5]\d)?)?(Z|[+-]\d\d:?\d\d)?"
)


def zone_problem(tz: str) -> str | None:
    """What is wrong with the name of a zone, and what to write; None if nothing is."""
    if tz == "UTC":
        return None
    from zoneinfo import ZoneInfo, available_timezones

    if _is_no_place(str(tz)):
        return "it need not be the same on every machine; write a place, such as 'Europe/Berlin'"
    try:
        ZoneInfo(tz)
    except (KeyError, ValueError, TypeError, OSError):
        advice = guess(tz, available_timezones(), "write one such as 'Europe/Berlin'")
        return f"no such time zone; {advice}"
    return None


def _is_no_place(tz: str) -> bool:
    """Whether a name means what a machine has set, or a folder in its copy of the database."""
    return tz in _NO_PLACES or tz.partition("/")[0] in ("posix", "right")


def moment_of(value: Moment, tz: str) -> int:
    """The epoch second at which a date or time begins, read in the zone `tz`.

    A time that the zone's clock skipped is when the clock went on; of a time that it showed twice
    the first counts. ValueError, worded for the user, if the value is no date of the calendar.
    """
    try:
        parsed: object = _parsed(value) if isinstance(value, str) else value
    except ValueError:
        parsed = None
    if not isinstance(parsed, date):
        raise ValueError("not a date; write it as '2024-01-31'")  # noqa: TRY004 - text or not
    if parsed.year not in YEARS:
        years = f"{YEARS.start} to {YEARS.stop - 1}"
        raise ValueError(f"not in the years {years}; write one such as '2024-01-31'")
    local = _day_number(parsed) * DAY
    if isinstance(parsed, datetime):
        local += _clock(parsed)
        offset = parsed.utcoffset()
        if offset is not None:
            return local - offset // timedelta(seconds=1)
    if tz == "UTC":
        return local
    return int(_first_moments(_pieces(tz, parsed.year), np.array([local], dtype=np.int64))[0])


def _parsed(text: str) -> date:
    if week := _WEEK.fullmatch(text):
        return date.fromisocalendar(int(week[1]), int(week[2]), 1)
    if _MONTH.fullmatch(text):
        return date.fromisoformat(f"{text}-01")
    if _DATE.fullmatch(text):
        return date.fromisoformat(text)
    if _CLOCK.fullmatch(text):
        return datetime.fromisoformat(text)
    raise ValueError(text)


def in_zone(moment: int, tz: str) -> pendulum.DateTime:
    """A moment as the zone's clock shows it."""
    import pendulum

    return pendulum.from_timestamp(moment, tz)


def same_clock(moment: int, day: int, tz: str) -> int:
    """The moment on local day `day`, counted from 1970-01-01, with the time of day of `moment`."""
    shown = in_zone(moment, tz).time()
    return moment_of(datetime.combine(_date(day), shown.replace(tzinfo=None)), tz)


def plain_date(day: date) -> pendulum.Date:
    """A date as a date of pendulum."""
    import pendulum

    return pendulum.date(day.year, day.month, day.day)


def clamped(moments: Seconds) -> Seconds:
    """The moments; those before or after the calendar are moved to its beginning or end."""
    first, last = (_day_number(date(year, 1, 1)) * DAY for year in (YEARS.start, YEARS.stop))
    return np.clip(moments, first, last)


def days_of(year: Ordinals, month: Ordinals, day: Ordinals) -> Ordinals:
    """Dates as days since 1970-01-01; too great a month or day counts on into the next ones."""
    months = ((year - 1970) * 12 + month - 1).astype("M8[M]")
    return months.astype("M8[D]").astype(np.int64) + day - 1


def days_at(tz: str, moments: Seconds) -> Ordinals:
    """The local day that holds each moment, in days since 1970-01-01."""
    if tz == "UTC" or not len(moments):
        return moments // DAY
    # No zone is two days away from UTC.
    lo, hi = int(moments.min()) // DAY - 2, int(moments.max()) // DAY + 3
    starts = day_starts(tz, lo, hi)
    return lo + np.searchsorted(starts, moments, side="right") - 1


def starts_of_days(tz: str, days: Ordinals) -> Seconds:
    """The first moment of each day, in any order; those of all days between are computed."""
    if tz == "UTC" or not len(days):
        return days * DAY
    lo, hi = int(days.min()), int(days.max()) + 1
    return day_starts(tz, lo, hi)[days - lo]


def day_starts(tz: str, lo: int, hi: int) -> Seconds:
    """The first moments of the local days `[lo, hi)`, counted from 1970-01-01.

    A day begins when the zone's clock first shows its date or a later one: a day without a midnight
    begins when the clock goes on, and a day that was skipped has no length.
    """
    if tz == "UTC":
        return np.arange(lo, hi, dtype=np.int64) * DAY
    first, last = (_date(day).year for day in (lo, max(lo, hi - 1)))
    starts = np.concatenate([_starts_in_year(tz, year) for year in range(first, last + 1)])
    before = lo - _day_number(date(first, 1, 1))
    return starts[before : before + hi - lo]


def days_of_year(year: int) -> tuple[int, int]:
    """The days `[first, end)` of a year, counted from 1970-01-01."""
    return _day_number(date(year, 1, 1)), _day_number(date(year + 1, 1, 1))


def shown_first(tz: str, year: int, local: Seconds) -> Seconds:
    """The moments at which a zone's clock first shows each local time, or a later one.

    `local` is in seconds since 1970-01-01 by that clock, in the year or up to two days around it. A
    time that the clock skips is when it goes on; of a time that it shows twice the first counts.
    """
    return local if tz == "UTC" else _first_moments(_pieces(tz, year), local)


def shown_ever(tz: str, year: int, local: Seconds) -> Seconds:
    """All moments at which a zone's clock shows one of those times.

    There is none for a time that it skips, and there are two for a time that it shows twice.
    """
    if tz == "UTC":
        return local
    pieces = _pieces(tz, year)
    ends = [begin for begin, _ in pieces[1:]] + [_NEVER]
    shown = [
        moments[(moments >= begin) & (moments < end)]
        for (begin, offset), end in zip(pieces, ends, strict=True)
        for moments in [local - offset]
    ]
    return np.concatenate(shown)


@lru_cache(maxsize=64)
def clock_moments(tz: str, clock: int, begin: int, end: int) -> Seconds:
    """All moments at which a zone's clock shows a time, given in seconds of the day; not to write.

    They are sorted, and those in `[begin, end)` are among them. On a day whose clock skips the time
    it is the moment at which the clock goes on.
    """
    days = np.arange(begin // DAY - 2, end // DAY + 3, dtype=np.int64)
    if tz == "UTC":
        return days * DAY + clock
    years = range(_date(int(days[0])).year, _date(int(days[-1])).year + 1)
    moments = []
    for year in years:
        first, last = days_of_year(year)
        local = days[(days >= first) & (days < last)] * DAY + clock
        moments += [shown_first(tz, year, local), shown_ever(tz, year, local)]
    shown = np.unique(np.concatenate(moments))
    shown.flags.writeable = False
    return shown


@lru_cache(maxsize=8192)
def _starts_in_year(tz: str, year: int) -> Seconds:
    """The first moments of the year's days, not to be written to; 3 kB."""
    first, end = days_of_year(year)
    starts = _first_moments(_pieces(tz, year), np.arange(first, end, dtype=np.int64) * DAY)
    starts.flags.writeable = False
    return starts


def _first_moments(pieces: tuple[tuple[int, int], ...], local: Seconds) -> Seconds:
    """The first moment at which a clock of those offsets shows each local time, or a later one."""
    first = np.full(len(local), _NEVER)
    ends = [begin for begin, _ in pieces[1:]] + [_NEVER]
    for (begin, offset), end in zip(pieces, ends, strict=True):
        shown = np.maximum(local - offset, begin)
        first = np.where(shown < end, np.minimum(shown, first), first)
    return first


@lru_cache(maxsize=8192)
def _pieces(tz: str, year: int) -> tuple[tuple[int, int], ...]:
    """The offsets from UTC that hold from three days before a year to three days after it.

    Each is `(moment from which it holds, seconds to add to UTC)`. The zone is asked once a day:
    none of the database goes to another offset and back within three days.
    """
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(tz)

    def offset(moment: int) -> int:
        shown = (_EPOCH + timedelta(seconds=moment)).astimezone(zone)
        return _day_number(shown) * DAY + _clock(shown) - moment

    first = (_day_number(date(year, 1, 1)) - 3) * DAY
    last = (_day_number(date(year + 1, 1, 1)) + 3) * DAY
    pieces = [(first, offset(first))]
    for morning in range(first, last, DAY):
        begin, evening = morning, morning + DAY
        while (before := pieces[-1][1]) != offset(evening):
            begin = _first_change(offset, before, begin, evening)
            pieces.append((begin, offset(begin)))
    return tuple(pieces)


def _first_change(offset: Callable[[int], int], before: int, begin: int, end: int) -> int:
    """The first moment whose offset is not `before`, as it is at `begin` and not at `end`."""
    return begin + bisect_left(range(begin, end), 1, key=lambda m: int(offset(m) != before))


def _clock(shown: datetime) -> int:
    return shown.hour * HOUR + shown.minute * 60 + shown.second


def _day_number(day: date) -> int:
    return day.toordinal() - _EPOCH.toordinal()


def _date(day_number: int) -> date:
    return date.fromordinal(day_number + _EPOCH.toordinal())
