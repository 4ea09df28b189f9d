"""A grain can be made from the words in which it describes itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import grains

from partflow.partitions.cron import Cron
from partflow.partitions.described import grain_described
from partflow.partitions.every import Every

ZONES = ["UTC", "Europe/Berlin", "Australia/Lord_Howe"]
OTHERS = [
    Every("3d", "2024-01-02"),
    Every("2d", "2024-01-02", tz="Australia/Lord_Howe"),
    Every("6h", "2024-01-02T03:00", tz="Europe/Berlin"),
    Every("90m", "2024-01-02T03:15"),
    Cron("0 6 * * 1-5", "2024-01-01"),
    Cron("30 6,7 * * *", "2024-01-01", tz="Europe/Berlin"),
]


@given(st.sampled_from(ZONES).flatmap(lambda tz: grains("2024-03-31", tz)))
def test_a_calendar_is_cut_as_its_words_say(grain):
    assert grain_described(grain.describe()).same_line(grain)


@pytest.mark.parametrize("grain", OTHERS, ids=lambda grain: grain.describe())
def test_steps_and_cron_expressions_are_cut_as_their_words_say(grain):
    assert grain_described(grain.describe()).same_line(grain)


@pytest.mark.parametrize(
    "text", ["", "nothing", "daily or so", "daily, Nowhere/Atlantis", "every 3d from", "cron *"]
)
def test_words_that_describe_no_grain_make_none(text):
    assert grain_described(text) is None


@given(st.text())
def test_no_text_is_a_crash(text):
    grain_described(text)
