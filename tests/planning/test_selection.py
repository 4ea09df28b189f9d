"""From names, dates and keys to partitions."""

from __future__ import annotations

import pytest

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.graph import derive
from partflow.declarations.task import effect, task
from partflow.errors import UsageError
from partflow.partitions.calendar import Daily, Every, Hourly, Monthly, Whole
from partflow.planning.selection import Asked, request_of, scopes

NOW = 1_709_251_200  # 2024-03-01, midnight in UTC
LANDING = Source("landing", Daily("2024-01-01"), path="landing/{key}.csv")
BERLIN = Dataset("berlin", Daily("2024-01-01", tz="Europe/Berlin"))
CLEAN = Dataset("clean", Daily("2024-01-01"))
HOURS = Dataset("hours", Hourly("2024-01-01"))
MONTHS = Dataset("months", Monthly("2024-01"))
QUARTERS = Dataset("quarters", Every("15m", "2024-01-01"))
TOTAL = Dataset("total", Whole())


@pytest.fixture
def graph():
    return derive(
        [
            task(reads=[LANDING], writes=CLEAN, name="wash")(lambda a: a),
            task(writes=BERLIN, name="fetch")(lambda: None),
            task(reads=[CLEAN], writes=HOURS, name="cut")(lambda a: a),
            task(reads=[CLEAN], writes=MONTHS, name="roll")(lambda a: a),
            task(reads=[CLEAN], writes=TOTAL, name="sum")(lambda a: a),
            effect(reads=[MONTHS], name="mail")(lambda a: a),
        ]
    )


def shown(graph, asked: Asked) -> dict[str, str]:
    found = scopes(graph, request_of(graph, asked, {}), NOW)
    return {s.node: f"{s.count}: {s.first} .. {s.last}" for s in found}


def test_nothing_asked_is_everything(graph) -> None:
    assert request_of(graph, Asked(), {}).wanted is None
    assert shown(graph, Asked()) == {
        "clean": "60: 2024-01-01 .. 2024-02-29",
        "berlin": "60: 2024-01-01 .. 2024-02-29",
        "hours": "1440: 2024-01-01T00 .. 2024-02-29T23",
        "months": "2: 2024-01 .. 2024-02",
        "total": "1: all .. all",
        "mail": "2: 2024-01 .. 2024-02",
    }


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (
            Asked(("clean",), start="2024-02-01", end="2024-02-03"),
            {"clean": "2: 2024-02-01 .. 2024-02-02"},
        ),
        (Asked(("clean",), start="2024-02-27"), {"clean": "3: 2024-02-27 .. 2024-02-29"}),
        (Asked(("clean",), end="2024-01-03"), {"clean": "2: 2024-01-01 .. 2024-01-02"}),
        (
            Asked(("months",), start="2024-01-20", end="2024-02-01"),
            {"months": "1: 2024-01 .. 2024-01"},
        ),
        (Asked(("months",), start="2024-02"), {"months": "1: 2024-02 .. 2024-02"}),
        (
            Asked(("berlin", "hours"), start="2024-02-01", end="2024-02-02"),
            {
                "berlin": "1: 2024-02-01 .. 2024-02-01",
                "hours": "24: 2024-02-01T00 .. 2024-02-01T23",
            },
        ),
        (
            Asked(("clean", "months"), keys=("2024-01",)),
            {"months": "1: 2024-01 .. 2024-01"},
        ),
        (
            Asked(("clean",), keys=("2024-02-10", "2024-02-12")),
            {"clean": "2: 2024-02-10 .. 2024-02-12"},
        ),
        (
            Asked(("clean",), span=("2024-02-01", "2024-02-10")),
            {"clean": "10: 2024-02-01 .. 2024-02-10"},
        ),
        (Asked(("total",), start="2024-02-01", end="2024-02-02"), {"total": "1: all .. all"}),
        (Asked(exclude=("hours", "berlin", "months+", "clean")), {"total": "1: all .. all"}),
    ],
)
def test_a_request_comes_to_the_partitions_that_overlap_it(graph, asked, expected) -> None:
    assert shown(graph, asked) == expected


def test_what_is_asked_for_before_the_start_is_not_there(graph) -> None:
    asked = Asked(("clean",), start="2023-12-30", end="2024-01-02")
    assert shown(graph, asked) == {"clean": "1: 2024-01-01 .. 2024-01-01"}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Asked(("clean",), keys=("2023-12-31",)), "clean has no partition 2023-12-31"),
        (Asked(("clean",), keys=("yesterday",)), "'yesterday': not a key of the grain 'daily'"),
        (Asked(("clean",), keys=("2024-01-05", "2024-01-32")), "'2024-01-32': not a key"),
        (Asked(("clean",), keys=("2024-01-05", "2023-12-31")), "clean has no partition 2023-12-31"),
        (
            Asked(("hours",), keys=("2024-02-29",)),
            "; for all of 2024-02-29 write --start 2024-02-29 --end 2024-03-01",
        ),
        (
            Asked(("hours",), keys=("2024-02",)),
            "; for all of 2024-02 write --start 2024-02 --end 2024-03",
        ),
        (Asked(("hours",), keys=("2024-W09",)), "write --start 2024-W09 --end 2024-W10"),
        (Asked(("months",), keys=("2024-02-29",)), "; 2024-02-29 lies in 2024-02"),
        (Asked(("clean",), keys=("2024-02-29T23",)), "; 2024-02-29T23Z lies in 2024-02-29"),
        (Asked(("berlin",), keys=("2024-02-29T23Z",)), "; 2024-02-29T23Z lies in 2024-03-01"),
        (Asked(("total",), keys=("2024-02-29",)), "not a key of the grain 'whole'"),
        (
            Asked(("hours",), span=("2024-02-01", "2024-02-02")),
            "for all of 2024-02-01 write --start",
        ),
        (Asked(("clean",), start="2024-02-02", end="2024-02-02"), "--end is exclusive"),
        (Asked(("clean",), start="soon"), "'soon'"),
        (Asked(("clean",), span=("2024-02-02", "2024-02-01")), "the first is later"),
        (Asked(("cleen",)), "did you mean 'clean'"),
    ],
)
def test_what_means_nothing_is_refused_with_advice(graph, asked, message) -> None:
    with pytest.raises(UsageError) as raised:
        request_of(graph, asked, {})
    assert message in str(raised.value)


def test_an_hour_of_quarters_is_named_in_utc_as_keys_are() -> None:
    graph = derive([task(writes=QUARTERS, name="quarter")(lambda: None)])
    with pytest.raises(UsageError, match="--start 2024-01-05T07Z --end 2024-01-05T08Z"):
        request_of(graph, Asked(("quarters",), keys=("2024-01-05T07",)), {})


@pytest.mark.parametrize(
    ("start", "end", "told"),
    [
        (
            "2024-01-03T05",
            "2024-01-03T06Z",
            (
                " (2024-01-03T05 is read by the clock of America/New_York, and is "
                "2024-01-03T10:00Z; 2024-01-03T06Z says its own zone, and is 2024-01-03T06:00Z)"
            ),
        ),
        (
            "2024-01-03",
            "2024-01-03T01:30+01:00",
            (
                " (2024-01-03 is read by the clock of America/New_York, and is 2024-01-03T05:00Z; "
                "2024-01-03T01:30+01:00 says its own zone, and is 2024-01-03T00:30Z)"
            ),
        ),
        ("2024-01-03T06Z", "2024-01-03T05Z", ""),
        ("2024-01-03", "2024-01-02", ""),
    ],
)
def test_where_nothing_lies_between_times_it_is_said_on_whose_clock_each_was_read(start, end, told):
    hours = Dataset("hours", Hourly("2024-01-01", tz="America/New_York"))
    graph = derive([task(writes=hours, name="make")(lambda: None)])
    with pytest.raises(UsageError) as said:
        request_of(graph, Asked(("hours",), start=start, end=end), {})
    assert str(said.value).startswith(
        f"--start {start} --end {end}: nothing lies between them{told}; --end is exclusive"
    )
