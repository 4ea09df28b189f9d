"""Spans of time as users write them, moved along the calendar of a zone."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from partflow.errors import DeclarationError
from partflow.partitions.spans import duration, is_span, moved

BERLIN = "Europe/Berlin"


def at(text: str, tz: str = BERLIN) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz)).timestamp())


def shown(moment: int, tz: str = BERLIN) -> str:
    return datetime.fromtimestamp(moment, ZoneInfo(tz)).strftime("%Y-%m-%dT%H:%M")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("10s", 10), ("5m", 300), ("1.5h", 5400), ("3d", 259_200), ("2w", 1_209_600), ("20ms", 0.02)],
)
def test_a_duration_is_elapsed_time(text, seconds):
    assert duration(text, "timeout") == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "5", "m", "5 years", "-5m", "5mm", 5, "9" * 30 + "w"])
def test_what_is_no_duration_is_refused_by_the_name_of_the_option(text):
    with pytest.raises(DeclarationError, match="timeout"):
        duration(text, "timeout")


@pytest.mark.parametrize("given", [None, timedelta(hours=1)])
def test_a_duration_that_is_one_stays(given):
    assert duration(given, "timeout") is given


@pytest.mark.parametrize(
    ("text", "expected"),
    [("-7d", True), ("2w", True), ("-1 months", True), ("6h", True), ("30m", True), ("1y", False),
     ("7", False), ("d", False)],
)  # fmt: skip
def test_spans_are_told_from_other_texts(text, expected):
    assert is_span(text) is expected


@pytest.mark.parametrize(
    ("start", "span", "end"),
    [
        ("2024-03-30T00:00", "1d", "2024-03-31T00:00"),
        ("2024-03-31T00:00", "1d", "2024-04-01T00:00"),
        ("2024-03-30T12:00", "1d", "2024-03-31T12:00"),
        ("2024-03-30T12:00", "24h", "2024-03-31T13:00"),
        ("2024-01-31T00:00", "1 month", "2024-03-01T00:00"),
        ("2024-03-01T00:00", "-1 months", "2024-02-01T00:00"),
        ("2024-01-15T06:00", "-2w", "2024-01-01T06:00"),
    ],
)
def test_days_go_by_the_calendar_and_hours_by_the_clock(start, span, end):
    (moment,) = moved(np.array([at(start)]), span, BERLIN).tolist()
    assert shown(moment) == end


@pytest.mark.parametrize("span", ["1d", "-1d", "1 month", "-1 months", "1w", "6h"])
def test_the_order_of_moments_stays_over_a_change_of_the_clock(span):
    moments = np.arange(at("2024-10-25T00:00"), at("2024-10-29T00:00"), 1800)
    assert (np.diff(moved(moments, span, BERLIN)) >= 0).all()
