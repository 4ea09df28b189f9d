"""What holds for every grain in every zone, from 1970 to 2100."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
from cronsim import CronSim
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from partflow.partitions.calendar import (
    WEEKDAYS,
    Cron,
    Daily,
    Every,
    Grain,
    Hourly,
    Monthly,
    Weekly,
    Whole,
)
from partflow.partitions.zone import zone_problem

FIRST, LAST = 0, 130 * 365 * 86400
# Those that move the clock at midnight, by half an hour, by a day, or were off by seconds.
ODD = (
    "America/Havana",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Beirut",
    "Asia/Manila",
    "Africa/Cairo",
    "Africa/Monrovia",
    "Atlantic/Azores",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Kwajalein",
)
STEPS = ("1d", "3d", "2w", "1h", "6h", "36h", "15m", "7m")
ANCHORS = ("1970-01-01T00:00Z", "1970-01-01T05:15Z", "2024-02-29T12:00Z")
FIXED = ("0 6 * * 1-5", "30 2 * * *", "0 0 1 * *", "15,45 0-3 * * *", "59 23 * * 7", "0 12 29 2 *")
WILD = ("*/30 * * * *", "15 * * * 1,3", "0 */6 1-7 * MON", "* 2 * * *")
EXPRESSIONS = FIXED + WILD

moments = st.integers(FIRST, LAST)
# Some machines have names beside the database's, such as `localtime`, which no grain takes.
ZONES = [tz for tz in sorted(available_timezones()) if zone_problem(tz) is None]
zones = st.one_of(st.just("UTC"), st.sampled_from(ODD), st.sampled_from(ZONES))
grains: st.SearchStrategy[Grain] = st.one_of(
    st.builds(Hourly, st.just("1970-01-01"), tz=zones),
    st.builds(Daily, st.just("1970-01-01"), tz=zones),
    st.builds(Weekly, st.just("1970-01-01"), tz=zones, first_day=st.sampled_from(WEEKDAYS)),
    st.builds(Monthly, st.just("1970-01-01"), tz=zones),
    st.builds(Every, st.sampled_from(STEPS), st.sampled_from(ANCHORS), tz=zones),
    st.builds(Cron, st.sampled_from(EXPRESSIONS), st.just("2020-01-01"), tz=zones),
)
some = settings(max_examples=150, deadline=None)


def shown(moment: int, zone: ZoneInfo) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=moment)).astimezone(zone)


def few(grain: Grain, moment: int, count: int) -> tuple[int, int]:
    """The interval that holds a moment, and how many from there on end before 2250 at most."""
    lo = grain.ordinal_at(moment)
    return lo, max(1, min(count, grain.ordinal_at(280 * 365 * 86400) - lo))


@cache
def days_of_change(tz: str) -> list[date]:
    """The days on which, or around which, the offset is another than the day before."""
    zone = ZoneInfo(tz)
    offsets = [shown(day * 86400, zone).utcoffset() for day in range(130 * 365)]
    changes = (day for day in range(1, len(offsets)) if offsets[day] != offsets[day - 1])
    return [date(1970, 1, 1) + timedelta(days=day) for day in changes]


def first_moment_of(day: date, zone: ZoneInfo) -> int:
    """The naive way: minute by minute until the clock shows the day or a later one."""
    midnight = (day - date(1970, 1, 1)).days * 86400
    minutes = range(midnight - 30 * 3600, midnight + 30 * 3600, 60)
    minute = next(moment for moment in minutes if shown(moment, zone).date() >= day)
    return next(m for m in range(minute - 59, minute + 1) if shown(m, zone).date() >= day)


@some
@given(zones, st.data())
def test_a_day_begins_with_the_first_moment_of_its_date_or_a_later_one(tz, data) -> None:
    near = st.sampled_from(days_of_change(tz)) if days_of_change(tz) else st.nothing()
    any_day = st.dates(date(1970, 1, 3), date(2099, 12, 29))
    day = data.draw(near | any_day) + timedelta(days=data.draw(st.integers(-2, 2)))
    grain = Daily("1970-01-01", tz=tz)
    assert grain.interval(grain.ordinal(str(day))).start == first_moment_of(day, ZoneInfo(tz))


@some
@given(grains, moments)
def test_a_moment_lies_in_the_interval_that_holds_it(grain, moment) -> None:
    interval = grain.interval(grain.ordinal_at(moment))
    assert interval.start <= moment < interval.end


@some
@given(grains, moments, st.integers(0, 400))
def test_edges_never_decrease_and_leave_neither_gap_nor_overlap(grain, moment, count) -> None:
    lo, count = few(grain, moment, count)
    edges = grain.edges(lo, lo + count)
    assert len(edges) == count + 1
    assert (np.diff(edges) >= 0).all()
    pairs = [grain.interval(lo + step) for step in range(0, count, 37)]
    assert [(i.start, i.end) for i in pairs] == [
        (edges[step], edges[step + 1]) for step in range(0, count, 37)
    ]


@some
@given(grains, moments, st.integers(1, 400))
def test_the_ordinal_at_an_edge_is_its_own_and_just_before_it_an_earlier_one(
    grain, moment, count
) -> None:
    lo, count = few(grain, moment, count)
    edges = grain.edges(lo, lo + count)
    own = np.arange(lo, lo + count)[np.diff(edges) > 0]
    assert np.array_equal(grain.ordinals_at(edges[:-1][np.diff(edges) > 0]), own)
    assert (grain.ordinals_at(edges[:-1] - 1) < np.arange(lo, lo + count)).all()


@some
@given(grains | st.just(Whole()), moments, st.integers(1, 100))
def test_ordinals_and_keys_go_round(grain, moment, count) -> None:
    lo, count = few(grain, moment, count)
    hi = lo + count
    keys = grain.keys(lo, hi)
    assert grain.ordinals(keys).tolist() == list(range(lo, hi))
    assert [grain.key(ordinal) for ordinal in range(lo, hi)] == keys
    assert sorted(set(keys)) == keys


@some
@given(st.sampled_from(FIXED), st.sampled_from(ODD), st.data())
def test_a_cron_at_fixed_times_fires_when_cronsim_says(expression, tz, data) -> None:
    near = st.sampled_from(days_of_change(tz))
    day = data.draw(near | st.dates(date(1970, 1, 10), date(2099, 12, 1)))
    start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) - 3 * 86400
    fires = CronSim(expression, shown(start, ZoneInfo(tz)))
    found = {-(-int(next(fires).timestamp()) // 60) * 60 for _ in range(12)}
    grain = Cron(expression, "2020-01-01", tz=tz)
    edges = grain.edges(*grain.overlapping(start, max(found) + 1))
    # Its first steps begin in the middle of a day; a firing may have been just before.
    first, last = sorted(found)[1], max(found)
    assert (
        sorted(f for f in found if f >= first) == edges[(edges >= first) & (edges <= last)].tolist()
    )


@some
@given(grains, moments, st.integers(-200_000, 3_000_000))
def test_what_overlaps_is_what_a_scan_finds(grain, start, length) -> None:
    end = start + length
    lo, hi = grain.overlapping(start, end)
    line = range(grain.ordinal_at(start) - 2, grain.ordinal_at(max(start, end)) + 3)
    intervals = ((ordinal, grain.interval(ordinal)) for ordinal in line)
    found = [o for o, i in intervals if i.start < end and start < i.end and start < end]
    assert list(range(lo, hi)) == found


@some
@given(grains, moments)
def test_what_is_due_has_ended_and_what_comes_next_has_not(grain, now) -> None:
    due = grain.due(now)
    assert grain.interval(due - 1).end <= now < grain.interval(due).end


def like(grain: Grain) -> Callable[..., Grain]:
    """What declares the grain with another range."""
    named = {"first_day": grain.first_day} if isinstance(grain, Weekly) else {}
    first = {Every: "step", Cron: "expression"}.get(type(grain))
    return partial(type(grain), *([getattr(grain, first)] if first else []), tz=grain.tz, **named)


def bound(grain: Grain, moment: int) -> int:
    """A moment at which the grain may be declared to begin: that of an hour, or of a local day."""
    finest = {Hourly: Hourly, Daily: Daily, Weekly: Daily, Monthly: Daily}.get(type(grain))
    if finest is None:
        return moment
    line = finest("2000-01-01", tz=grain.tz)
    return line.interval(line.ordinal_at(moment)).start


@some
@given(grains, moments.map(lambda moment: moment // 60 * 60), st.integers(1, 3_000_000))
def test_a_declared_range_is_what_overlaps_start_and_end(grain, start, length) -> None:
    start, end = (bound(grain, moment) for moment in (start, start + length))
    assume(start < end)
    length = end - start
    ends = {"start": shown(start, ZoneInfo("UTC")), "end": shown(end, ZoneInfo("UTC"))}
    declared = like(grain)(**ends)
    if not isinstance(grain, Every):  # whose start is its anchor, and numbers anew
        assert (declared.lo, declared.hi) == grain.overlapping(start, start + length)
    assert declared.interval(declared.lo).start <= start < declared.interval(declared.lo).end
    last = declared.interval(declared.hi - 1)
    assert last.start < start + length <= last.end
    assert eval(repr(declared)) == declared


@some
@given(grains, moments)
def test_the_calendar_date_of_an_interval_is_that_of_its_start_unless_it_was_skipped(
    grain, moment
) -> None:
    ordinal = grain.ordinal_at(moment)
    begin, end = grain.start_of(ordinal), grain.end_of(ordinal)
    assert begin is not None
    assert end is not None
    assert (int(begin.timestamp()), int(end.timestamp())) == (
        grain.interval(ordinal).start,
        grain.interval(ordinal).end,
    )
    # A week or month may begin with a day that the zone skipped.
    assert timedelta(0) <= begin.date() - grain.date_of(ordinal) <= timedelta(days=1)
