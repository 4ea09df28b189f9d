"""A pause is written down as a line, lasts until its end, and is read in the dataset's zone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partflow.errors import UsageError
from partflow.partitions.calendar import Daily, Whole
from partflow.planning.pauses import Pause, pauses_of, until_of

NOW = 1_709_251_200  # 2024-03-01T00:00:00Z


@given(
    st.builds(Pause, st.integers(0, NOW), st.text(), st.text(), st.none() | st.integers(0, 2 * NOW))
)
def test_a_pause_comes_back_as_long_as_it_lasts(pause):
    lasts = pause.until is None or pause.until > NOW
    assert pauses_of({"clean": pause.text()}, NOW) == ({"clean": pause} if lasts else {})


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"since": "x", "by": "", "why": "", "until": 1}']
)
def test_a_line_that_is_no_pause_is_left_out(text):
    assert pauses_of({"clean": text}, NOW) == {}


@pytest.mark.parametrize(
    ("text", "tz", "seconds"),
    [
        ("2h", "UTC", 7200),
        ("3d", "UTC", 3 * 86400),
        ("2024-03-02", "UTC", 86400),
        ("2024-03-02", "Europe/Berlin", 82800),
        ("2024-03-02T08:00", "Europe/Berlin", 82800 + 8 * 3600),
        ("2024-03-02T08:00Z", "Europe/Berlin", 86400 + 8 * 3600),
    ],
)
def test_the_end_of_a_pause_is_a_span_or_a_time_of_the_zone(text, tz, seconds):
    assert until_of(text, Daily("2024-01-01", tz=tz), NOW) == NOW + seconds


@pytest.mark.parametrize("text", ["2024-02-29", "0s", "2024-03-01", "soon"])
def test_an_end_that_lies_behind_or_is_no_time_is_refused(text):
    with pytest.raises(UsageError):
        until_of(text, Whole(), NOW)
