"""By when a partition is expected: a time of the zone's clock, or a span after its interval."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from worlds import moment

from partflow.declarations.dataset import Dataset
from partflow.declarations.expected import expected_of
from partflow.errors import DeclarationError
from partflow.partitions.calendar import Cron, Daily, Every, Hourly, Monthly, Weekly, Whole
from partflow.partitions.zone import in_zone

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]
STARTS = ["2024-03-08", "2024-10-04", "2011-12-28", "2024-11-01"]


def first_shown(end: int, clock: int, tz: str) -> int:
    """The first minute from `end` on at which the clock shows a time, or has just skipped it."""
    zone, at = ZoneInfo(tz), end
    while True:
        shown, before = in_zone(at, tz).astimezone(zone), in_zone(at - 60, tz).astimezone(zone)
        if shown.hour * 3600 + shown.minute * 60 == clock:
            return at
        wall, wall_before = shown.replace(tzinfo=None), before.replace(tzinfo=None)
        skipped = wall_before + timedelta(minutes=1)
        while skipped < wall:
            if skipped.hour * 3600 + skipped.minute * 60 == clock:
                return at
            skipped += timedelta(minutes=1)
        at += 60


@given(
    st.sampled_from([Daily, Weekly, Monthly]),
    st.sampled_from(ZONES),
    st.sampled_from(STARTS),
    st.sampled_from([0, 1, 2, 3, 8, 23]),
    st.sampled_from([0, 15, 30]),
)
def test_a_time_of_the_clock_is_the_first_one_at_or_after_the_intervals_end(
    kind, tz, start, hour, minute
):
    grain = kind(start, tz=tz)
    expected = expected_of(f"{hour:02}:{minute:02}", None, grain)
    ends = grain.edges(grain.lo, grain.lo + 4)[1:].tolist()
    clock = hour * 3600 + minute * 60
    naive = [first_shown(end, clock, tz) for end in ends]
    assert expected.moments(grain, grain.lo, grain.lo + 4).tolist() == naive


@pytest.mark.parametrize(
    ("tz", "key", "clock", "at"),
    [
        ("Europe/Berlin", "2024-03-30", "02:30", "2024-03-31T01:00"),  # it goes on at 03:00
        ("Europe/Berlin", "2024-10-26", "02:30", "2024-10-27T00:30"),  # the first of two
        ("Europe/Berlin", "2024-06-01", "08:00", "2024-06-02T06:00"),
        ("Europe/Berlin", "2024-06-01", "00:00", "2024-06-01T22:00"),
        ("Pacific/Apia", "2011-12-29", "08:00", "2011-12-30T10:00"),  # a day that never was
    ],
)
def test_where_the_clock_skips_the_time_it_is_when_it_goes_on(tz, key, clock, at):
    grain = Daily("2010-01-01", tz=tz)
    ordinal = grain.ordinal(key)
    moments = expected_of(clock, None, grain).moments(grain, ordinal, ordinal + 1)
    assert moments.tolist() == [moment(at) // 10**9]


@pytest.mark.parametrize(
    "grain", [Hourly("2024-01-01"), Every("6h", "2024-01-01"), Daily("2024-01-01")]
)
def test_a_span_counts_from_the_intervals_end(grain):
    moments = expected_of("2h", None, grain).moments(grain, grain.lo, grain.lo + 50)
    assert np.array_equal(moments, grain.edges(grain.lo, grain.lo + 50)[1:] + 7200)


@pytest.mark.parametrize(
    ("grain", "by", "age", "words"),
    [
        (Hourly("2024-01-01"), "08:00", None, "shorter than a day"),
        (Cron("0 6 * * 1-5", "2024-01-01"), "08:00", None, "shorter than a day"),
        (Whole(), "08:00", None, "give max_age"),
        (Whole(), "2h", None, "give max_age"),
        (Daily("2024-01-01"), "24:00", None, "neither a time of day"),
        (Daily("2024-01-01"), "soon", None, "neither a time of day"),
        (Daily("2024-01-01"), None, "old", "is not a span of time"),
    ],
)
def test_what_means_nothing_for_the_grain_is_refused(grain, by, age, words):
    with pytest.raises(DeclarationError, match=words):
        Dataset("days", grain, expect_by=by, max_age=age)


def test_nothing_is_expected_of_what_says_nothing():
    assert Dataset("days", Daily("2024-01-01")).expected is None


def test_what_is_expected_is_no_part_of_the_code():
    plain, said = (Dataset("d", Daily("2024-01-01"), expect_by=by) for by in (None, "08:00"))
    assert plain.declared == said.declared
