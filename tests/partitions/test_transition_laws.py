"""Every grain around every change of a zone's clock from 1970 to 2100, two days to either side.

Of some zones; of all that there are with `ZONES=all` in the environment, as `make properties` does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pytest
from cronsim import CronSim

from partflow.partitions.calendar import Cron, Daily, Every, Grain, Hourly, Monthly, Weekly

DAY = 86400
DAYS = 131 * 365 + 31
AROUND = 2 * DAY
CHUNK = 16
"""How many changes are looked at together: about eight years."""

# Midnight moves; half an hour; a day skipped, also in 1993; seconds until 1972; no change ever.
SAMPLE = (
    "Africa/Monrovia",
    "America/Sao_Paulo",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Europe/Berlin",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "UTC",
)
ZONES = sorted(available_timezones()) if os.environ.get("ZONES") == "all" else SAMPLE

FIXED = "30 0,2,23 * * *"
WILD = "15,45 */2 * * *"
GRAINS: tuple[Callable[[str], Grain], ...] = (
    lambda tz: Hourly("2000-01-01", tz=tz),
    lambda tz: Daily("2000-01-01", tz=tz),
    lambda tz: Weekly("2000-01-01", tz=tz),
    lambda tz: Weekly("2000-01-01", tz=tz, first_day="saturday"),
    lambda tz: Monthly("2000-01-01", tz=tz),
    lambda tz: Every("1d", "2000-01-01", tz=tz),
    lambda tz: Every("3d", "2000-01-01", tz=tz),
    lambda tz: Every("6h", "2000-01-01T00:00Z", tz=tz),
    lambda tz: Every("15m", "2000-01-01T00:05Z", tz=tz),
    lambda tz: Cron(FIXED, "2000-01-01", tz=tz),
    lambda tz: Cron(WILD, "2000-01-01", tz=tz),
)


def shown(moment: int, zone: ZoneInfo) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=moment)).astimezone(zone)


def offset(moment: int, zone: ZoneInfo) -> timedelta | None:
    return shown(moment, zone).utcoffset()


@cache
def changes(tz: str) -> list[int]:
    """The seconds from which on the zone's clock is another hour ahead; found day by day."""
    zone, found = ZoneInfo(tz), []
    for morning in range(0, DAYS * DAY, DAY):
        begin, evening = morning, morning + DAY
        while (held := offset(begin, zone)) != offset(evening, zone):
            low, high = begin, evening
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle, zone) == held else (low, middle)
            found.append(high)
            begin = high
    return found


def chunks(moments: list[int]) -> Iterator[list[int]]:
    return (moments[i : i + CHUNK] for i in range(0, len(moments), CHUNK))


@pytest.fixture(scope="module", params=ZONES)
def tz(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def turns(tz: str) -> list[int]:
    """The changes of the zone's clock; of one without any, some days."""
    return changes(tz) or [at("1970-01-03"), at("2000-01-01"), at("2024-03-01")]


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("declare", GRAINS, ids=lambda declare: declare("UTC").describe())
def test_intervals_hold_their_moments_without_gap_or_overlap_and_keys_go_round(
    tz, turns, declare
) -> None:
    grain = declare(tz)
    steps = np.append(np.arange(-AROUND, AROUND + 1, 900), [-1, 1, -AROUND - 1])
    for some in chunks(turns):
        moments = (np.array(some)[:, None] + steps).ravel()
        held = grain.ordinals_at(moments)
        assert (grain.starts(held) <= moments).all()
        assert (moments < grain.starts(held + 1)).all()
        ordinals = np.unique(held[:, None] + np.array([-1, 0, 1]))
        starts = grain.starts(ordinals)
        long = starts < grain.starts(ordinals + 1)
        assert np.array_equal(grain.ordinals_at(starts[long]), ordinals[long])
        assert (np.diff(starts) >= 0).all()
        keys = [grain.key(o) for o in ordinals[:3].tolist()] + grain._written(ordinals).tolist()
        assert grain.ordinals(keys[3:]).tolist() == ordinals.tolist()
        assert keys[:3] == keys[3:6]
        assert sorted(set(keys[3:])) == keys[3:]


@pytest.mark.timeout(600)
def test_a_day_begins_with_the_first_moment_of_its_date_or_a_later_one(tz, turns) -> None:
    zone, grain = ZoneInfo(tz), Daily("2000-01-01", tz=tz)
    for turn in turns:
        middle = shown(turn, zone).date()
        for day in (middle + timedelta(days=n) for n in range(-2, 3)):
            start = grain.interval(grain.ordinal(str(day))).start
            assert shown(start, zone).date() >= day
            # Between its changes a clock only goes on, so before `start` it was at its latest here.
            latest = [t - 1 for t in turns if start - 3 * DAY < t <= start]
            assert all(shown(moment, zone).date() < day for moment in [start - 1, *latest])


@pytest.mark.timeout(600)
@pytest.mark.parametrize("declare", [GRAINS[2], GRAINS[3], GRAINS[4], GRAINS[5], GRAINS[6]])
def test_what_is_made_of_days_begins_with_its_first_one(tz, turns, declare) -> None:
    grain, days = declare(tz), Daily("2000-01-01", tz=tz)
    for some in chunks(turns):
        ordinals = np.unique(grain.ordinals_at(np.array(some))[:, None] + np.array([-1, 0, 1]))
        first = [grain.column_values(o, o + 1)[0] for o in ordinals.tolist()]
        numbers = np.array([(day - date(1970, 1, 1)).days for day in first])
        assert np.array_equal(grain.starts(ordinals), days.starts(numbers))


@pytest.mark.timeout(600)
def test_a_cron_at_fixed_times_fires_when_cronsim_says(tz, turns) -> None:
    zone, grain = ZoneInfo(tz), Cron(FIXED, "2000-01-01", tz=tz)
    for turn in turns:
        fires = CronSim(FIXED, shown(turn - AROUND - DAY, zone))
        found = {-(-int(next(fires).timestamp()) // 60) * 60 for _ in range(18)}
        expected = sorted(f for f in found if abs(f - turn) <= AROUND)
        edges = grain.edges(*grain.overlapping(turn - AROUND, turn + AROUND + 1))
        assert [e for e in edges.tolist() if abs(e - turn) <= AROUND] == expected


@pytest.mark.timeout(600)
def test_a_cron_with_a_star_fires_whenever_the_clock_shows_such_a_time(tz, turns) -> None:
    zone, grain = ZoneInfo(tz), Cron(WILD, "2000-01-01", tz=tz)
    for turn in turns:
        first = turn // 60 * 60 - 4 * 3600
        minutes = range(first, first + 8 * 3600, 60)
        expected = [minute for minute in minutes if is_shown_within(minute, zone)]
        edges = grain.edges(*grain.overlapping(first, minutes[-1] + 1))
        assert [e for e in edges.tolist() if first <= e <= minutes[-1]] == expected


def is_shown_within(minute: int, zone: ZoneInfo) -> bool:
    """Whether the clock turns to such a time at a minute of UTC, or in the seconds up to it."""
    clock = shown(minute, zone)
    seconds = [minute] if clock.second == 0 else range(minute - 59, minute + 1)
    clocks = [clock] if clock.second == 0 else [shown(moment, zone) for moment in seconds]
    return any(c.second == 0 and c.minute in (15, 45) and c.hour % 2 == 0 for c in clocks)
