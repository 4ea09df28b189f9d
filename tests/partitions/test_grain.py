"""Grains by example: ranges, keys, zones with odd days, and what a wrong declaration says."""

from __future__ import annotations

import functools
import pickle
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pendulum
import pytest

from partflow.errors import DeclarationError, UsageError
from partflow.partitions.calendar import (
    Cron,
    Daily,
    DataInterval,
    Every,
    Grain,
    Hourly,
    Monthly,
    Weekly,
    Whole,
)

GRAINS = [
    Hourly("2024-01-01T05", end="2024-02-01", tz="Europe/Berlin"),
    Daily("2024-01-01"),
    Daily("2024-01-01", end="2024-03-01", tz="America/Sao_Paulo"),
    Weekly("2024-01-01"),
    Weekly("2024-01-01", end="2025-01-01", tz="Asia/Tokyo", first_day="sunday"),
    Monthly("2024-01", end="2025-01"),
    Whole(),
    Every("3d", "2024-01-01", end="2024-03-01", tz="America/Sao_Paulo"),
    Every("6h", "2024-01-01T06", tz="Asia/Tokyo"),
    Every("15m", "2024-01-01T05:05Z", end="2024-02-01"),
    Cron("0 6 * * 1-5", "2024-01-01", end="2024-03-01", tz="Europe/Berlin"),
]


FIELDS = "write minute, hour, day of the month, month and day of the week, as in '0 6 * * 1-5'"


def keys_of(grain: Grain) -> tuple[str, str]:
    assert grain.hi is not None
    return grain.key(grain.lo), grain.key(grain.hi - 1)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("grain", "first", "last"),
    [
        (Weekly("2011-01-01", end="2013-01-01"), "2010-W52", "2013-W01"),
        (Weekly("2024-01-01", end="2024-01-15", first_day="sunday"), "2023-12-31", "2024-01-14"),
        (Monthly("2024-01-31", end="2024-03-02"), "2024-01", "2024-03"),
        (Daily("2024-01-01", end="2024-01-03"), "2024-01-01", "2024-01-02"),
        (Hourly("2024-01-01", end="2024-01-02"), "2024-01-01T00", "2024-01-01T23"),
        (Hourly("2024-01-01", end="2024-01-02", tz="Asia/Tokyo"), "2023-12-31T15", "2024-01-01T14"),
        (Whole(), "all", "all"),
        (Every("3d", "2024-02-28", end="2024-03-06"), "2024-02-28", "2024-03-05"),
        (Every("2w", "2024-02-28", end="2024-03-06"), "2024-02-28", "2024-02-28"),
        (Every("6h", "2024-01-01", end="2024-01-02"), "2024-01-01T00", "2024-01-01T18"),
        (
            Every("6h", "2024-01-01", end="2024-01-02", tz="Asia/Kolkata"),
            "2023-12-31T1830",
            "2024-01-01T1230",
        ),
        (Every("90m", "2024-01-01", end="2024-01-01T04"), "2024-01-01T0000", "2024-01-01T0300"),
        (Every("36h", "2024-01-01", end="2024-01-04"), "2024-01-01T00", "2024-01-02T12"),
        (
            Cron("0 6 * * *", "2024-01-02T06", end="2024-01-04"),
            "2024-01-02T0600",
            "2024-01-03T0600",
        ),
        (Cron("0 6 * * 1-5", "2024-01-01", end="2024-01-03"), "2023-12-29T0600", "2024-01-02T0600"),
    ],
)
def test_the_range_is_of_the_intervals_that_overlap_start_and_end(
    grain: Grain, first: str, last: str
) -> None:
    assert keys_of(grain) == (first, last)


@pytest.mark.parametrize(
    "start",
    [
        "2024-02-26",
        "2024-02-26T00",
        "2024-02-26 00:00",
        "2024-W09",
        date(2024, 2, 26),
        datetime(2024, 2, 26),  # noqa: DTZ001 - naive on purpose: it is read in the grain's zone
        datetime(2024, 2, 25, 23, tzinfo=UTC),
        datetime(2024, 2, 26, 2, tzinfo=timezone(timedelta(hours=3))),
        pendulum.date(2024, 2, 26),
        pendulum.datetime(2024, 2, 26, tz="Europe/Berlin"),
        "2024-02-25T23:00Z",
        "2024-02-26T01:00+02:00",
    ],
)
def test_all_ways_to_write_a_start_mean_the_same(start: object) -> None:
    assert Daily(start, tz="Europe/Berlin") == Daily("2024-02-26", tz="Europe/Berlin")  # type: ignore[arg-type]


def test_a_month_begins_with_its_first_day() -> None:
    assert Daily("2024-02").key(Daily("2024-02").lo) == "2024-02-01"


def test_ordinals_do_not_depend_on_the_start() -> None:
    assert Daily("1999-05-05").ordinal("2024-01-01") == Daily("2024-01-01").lo == 19723
    assert Hourly("1970-01-02").lo == 24
    assert Monthly("1971-02-01").lo == 13
    assert Weekly("1970-01-01").lo == 0
    assert Weekly("1969-12-28").lo == -1


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [
        ("2024-03-31", "2024-04-01", 23),
        ("2024-10-27", "2024-10-28", 25),
        ("2024-06-01", "2024-06-02", 24),
    ],
)
def test_a_local_day_is_as_long_as_the_clock_makes_it(start: str, end: str, hours: int) -> None:
    day = Daily(start, end, tz="Europe/Berlin")
    interval = day.interval(day.lo)
    assert interval.end - interval.start == hours * 3600


@pytest.mark.parametrize(
    ("tz", "day", "start"),
    [
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00"),  # 00:00 to 01:00 did not exist
        ("Asia/Beirut", "2022-03-27", "2022-03-26T22:00"),
        ("America/Havana", "2024-11-03", "2024-11-03T04:00"),  # 01:00 went back to 00:00
        ("Atlantic/Azores", "2024-10-27", "2024-10-27T00:00"),
        ("America/St_Johns", "2010-11-07", "2010-11-07T02:30"),  # 00:01 went back to 23:01
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00"),
        ("Africa/Monrovia", "1971-06-01", "1971-06-01T00:44:30"),
    ],
)
def test_a_day_begins_when_the_clock_first_shows_it_or_a_later_one(
    tz: str, day: str, start: str
) -> None:
    grain = Daily(day, tz=tz)
    assert grain.interval(grain.lo).start == at(start)
    assert grain.moment(day) == at(start)


def test_a_day_that_a_zone_skipped_is_empty_and_keeps_its_date() -> None:
    grain = Daily("2011-12-29", tz="Pacific/Apia")
    skipped = grain.ordinal("2011-12-30")
    assert grain.interval(skipped) == DataInterval(at("2011-12-30T10:00"), at("2011-12-30T10:00"))
    assert grain.date_of(skipped) == pendulum.date(2011, 12, 30)
    assert grain.ordinal_at(at("2011-12-30T10:00")) == skipped + 1


@pytest.mark.parametrize(
    ("grain", "key"),
    [
        (GRAINS[0], "2024-01-01T05"),
        (GRAINS[1], "2026-03-01"),
        (GRAINS[3], "2026-W09"),
        (GRAINS[3], "2020-W53"),
        (GRAINS[4], "2026-03-01"),
        (GRAINS[5], "2026-03"),
        (GRAINS[6], "all"),
    ],
)
def test_a_key_names_an_interval_and_back(grain: Grain, key: str) -> None:
    assert grain.key(grain.ordinal(key)) == key


@pytest.mark.parametrize("grain", GRAINS, ids=repr)
@pytest.mark.parametrize(
    "key",
    [
        "",
        "today",
        "NaT",
        "2026-3-1",
        "2026-02-30",
        "2026-03-01 ",
        "2026-03-01\0",
        "2026-03-01T24",
        "2026-03-01Z",
        "2026-13",
        "2026-W00",
        "2026-W54",
        "2021-W53",
        "1799-12-31",
        "1799-12",
        "٢٠٢٦-٠٣",
        "2026/03",
    ],
)
def test_a_text_that_is_not_written_as_a_key_is_refused(grain: Grain, key: str) -> None:
    with pytest.raises(UsageError, match="not a key of the grain"):
        grain.ordinal(key)


def test_a_wrong_key_is_named_with_the_grain_and_an_example() -> None:
    with pytest.raises(UsageError) as caught:
        Weekly("2024-01-01", first_day="sunday").ordinals(["2024-01-07", "2024-01-08"])
    assert str(caught.value) == (
        "'2024-01-08': not a key of the grain 'weekly from sunday'; its keys look like '2023-12-31'"
    )


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (
            lambda: Daily("2024-13-01"),
            "Daily(start='2024-13-01'): not a date; write it as '2024-01-31'",
        ),
        (
            lambda: Daily("20240101"),
            "Daily(start='20240101'): not a date; write it as '2024-01-31'",
        ),
        (lambda: Daily(5), "Daily(start=5): not a date; write it as '2024-01-31'"),
        (
            lambda: Weekly("2024-W60"),
            "Weekly(start='2024-W60'): not a date; write it as '2024-01-31'",
        ),
        (
            lambda: Monthly("2024-01", end="9999-12-31"),
            (
                "Monthly(end='9999-12-31'): not in the years 1800 to 2299; "
                "write one such as '2024-01-31'; leave it out for no end"
            ),
        ),
        (
            lambda: Daily("2024-01-02", "2024-01-02"),
            (
                "Daily(start='2024-01-02', end='2024-01-02'): ends before it has begun; "
                "end is exclusive and must be later than start"
            ),
        ),
        (
            lambda: Hourly("2024-01-01", tz="Europe/Berln"),
            "Hourly(tz='Europe/Berln'): no such time zone; did you mean 'Europe/Berlin'?",
        ),
        (
            lambda: Daily("2024-01-01", tz="../etc"),
            "Daily(tz='../etc'): no such time zone; write one such as 'Europe/Berlin'",
        ),
        *(
            (
                functools.partial(Hourly, "2024-01-01", tz=tz),
                (
                    f"Hourly(tz={tz!r}): it need not be the same on every machine; "
                    "write a place, such as 'Europe/Berlin'"
                ),
            )
            for tz in ("localtime", "posixrules", "Factory", "posix/Europe/Berlin", "right/UTC")
        ),
        (
            lambda: Every("3 days", "2024-01-01"),
            (
                "Every('3 days'): not a step; write a number of weeks, days, hours or minutes, "
                "as in '2w', '3d', '6h' or '15m'"
            ),
        ),
        (lambda: Every("4000d", "2024"), "Every('4000d'): a step is at most 3660 days long"),
        (
            lambda: Every("6h", "2024-01-01T00:00:30"),
            (
                "Every('6h', start='2024-01-01T00:00:30'): not a whole minute of UTC, and keys go "
                "to the minute; write a start such as '2024-01-31T05:15Z'"
            ),
        ),
        (
            lambda: Every("3d", "yesterday"),
            "Every(start='yesterday'): not a date; write it as '2024-01-31'",
        ),
        (lambda: Cron("@daily", "2024-01-01"), f"Cron('@daily'): it has not five fields; {FIELDS}"),
        (lambda: Cron(6, "2024-01-01"), f"Cron(6): it has not five fields; {FIELDS}"),
        (
            lambda: Cron("0 0 6 * * *", "2024"),
            f"Cron('0 0 6 * * *'): it has not five fields; {FIELDS}",
        ),
        (lambda: Cron("0 24 * * *", "2024"), f"Cron('0 24 * * *'): bad hour; {FIELDS}"),
        (lambda: Cron("0 0 30 2 *", "2024"), f"Cron('0 0 30 2 *'): bad day-of-month; {FIELDS}"),
        (
            lambda: Cron("0 0 */28 2 1#4", "2024"),
            f"Cron('0 0 */28 2 1#4'): it never fires; {FIELDS}",
        ),
        (
            lambda: Weekly("2024-01-01", first_day="Mondy"),
            "Weekly(first_day='Mondy'): not a day of the week; did you mean 'monday'?",
        ),
    ],
)
def test_a_wrong_declaration_says_what_and_what_to_write(declare, message: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        declare()
    place, _, said = str(caught.value).partition(": ")
    assert place.startswith("test_grain.py:")
    assert said == message


@pytest.mark.parametrize(
    ("declare", "what", "write"),
    [
        (lambda: Hourly("2024-01-01T05:30"), "hourly", "2024-01-01T05"),
        (lambda: Hourly("2024-01-01", "2024-01-02T00:00:01"), "hourly", "2024-01-02T00"),
        (lambda: Hourly("2024-01-01T07:15", tz="Asia/Kolkata"), "hourly", "2024-01-01T07"),
        (lambda: Daily("2024-01-01T12"), "daily", "2024-01-01"),
        (lambda: Daily("2024-01-01T00Z", tz="Europe/Berlin"), "daily", "2024-01-01"),
        (lambda: Weekly("2024-01-01", "2024-01-08T00:30"), "weekly", "2024-01-08"),
        (lambda: Monthly("2024-01", datetime(2024, 2, 1, 1, tzinfo=UTC)), "monthly", "2024-02-01"),
    ],
)
def test_a_start_or_end_that_would_be_rounded_is_refused(declare, what: str, write: str) -> None:
    with pytest.raises(DeclarationError) as caught:
        declare()
    unit = "hour" if what == "hourly" else "day"
    assert f"{what} partitions begin with the {unit}; write '{write}', or" in str(caught.value)


def test_midnight_in_a_zone_with_an_odd_half_hour_is_no_rounded_hour() -> None:
    assert Hourly("2024-01-01", tz="Asia/Kolkata").lo == Hourly("2023-12-31T18").lo
    assert Hourly("2024-01-01T05:30", tz="Asia/Kolkata").lo == Hourly("2024-01-01").lo


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-03-31", "2024-03-30T23:00"),
        ("2024-03-31T12", "2024-03-31T10:00"),
        ("2024-03-31T02:30", "2024-03-31T01:00"),  # skipped: where the clock goes on
        ("2024-10-27T02:30", "2024-10-27T00:30"),  # shown twice: the first
        ("2024-03-31T12Z", "2024-03-31T12:00"),
        ("2024-04", "2024-03-31T22:00"),
        ("2024-W14", "2024-03-31T22:00"),
    ],
)
def test_a_typed_moment_is_read_in_the_zone(text: str, moment: str) -> None:
    assert Daily("2024-01-01", tz="Europe/Berlin").moment(text) == at(moment)


def test_a_typed_moment_that_is_none_is_named_with_examples() -> None:
    with pytest.raises(UsageError, match=r"^'yesterday': not a date; write it as '2024-01-31', "):
        Daily("2024-01-01").moment("yesterday")


@pytest.mark.parametrize(
    ("one", "other", "nests"),
    [
        (Daily("2024-01-01"), Monthly("2020-01-01"), True),
        (Daily("2024-01-01", tz="Asia/Tokyo"), Weekly("2020-01-01", tz="Asia/Tokyo"), True),
        (Daily("2024-01-01"), Daily("2020-01-01"), True),
        (Daily("2024-01-01"), Daily("2020-01-01", tz="Etc/UTC"), True),
        (Daily("2024-01-01"), Daily("2020-01-01", tz="Europe/Berlin"), False),
        (Daily("2024-01-01"), Monthly("2020-01-01", tz="Europe/Berlin"), False),
        (Weekly("2021-02-01", "2021-03-01"), Monthly("2021-02-01", "2021-03-01"), False),
        (Weekly("2024-01-01"), Weekly("2024-01-01", first_day="sunday"), False),
        (Hourly("2024-01-01"), Daily("2024-01-01"), True),
        (Hourly("2024-01-01"), Daily("2024-01-01", tz="Europe/Berlin"), True),
        (Hourly("2024-01-01"), Hourly("2024-01-01", tz="Europe/Berlin"), True),
        (Hourly("2024-01-01", tz="Asia/Kolkata"), Daily("2024-01-01", tz="Asia/Kolkata"), False),
        (Hourly("1975-01-01"), Daily("1960-01-01", tz="Africa/Monrovia"), True),
        (Hourly("1971-01-01"), Daily("1960-01-01", tz="Africa/Monrovia"), False),
        (Whole(), Daily("2024-01-01", tz="Asia/Kolkata"), True),
        (Every("3d", "2024-01-01"), Daily("2024-01-01"), True),
        (Every("3d", "2024-01-01"), Every("6d", "2024-01-04"), True),
        (Every("3d", "2024-01-01"), Every("6d", "2024-01-05"), False),
        (Every("2w", "2024-01-01"), Weekly("2024-01-01"), True),
        (Every("2w", "2024-01-02"), Weekly("2024-01-01"), False),
        (Every("7d", "2024-01-01", "2024-01-08"), Monthly("2024-01", "2024-02"), False),
        (
            Daily("2024-01-01", "2024-02-01", tz="Europe/Berlin"),
            Monthly("2024-01", "2024-02"),
            False,
        ),
        (Daily("2024-01-01", tz="Asia/Tokyo"), Monthly("2024-01", "2024-02"), False),
        (
            Daily("2024-01-01", "2024-01-02"),
            Daily("2024-01-01", "2024-01-02", tz="Asia/Tokyo"),
            False,
        ),
        (
            Hourly("2024-01-01", tz="Asia/Kolkata"),
            Daily("2024-01-01", "2024-01-02", tz="Asia/Kolkata"),
            False,
        ),
        (Every("3d", "2024-01-30", "2024-02-02"), Monthly("2024-01", "2024-02"), False),
        (Daily("2024-01-01", "2024-01-02"), Monthly("2024-01", "2024-02"), True),
        (Hourly("2024-01-01", "2024-01-02"), Daily("2024-01-01", "2024-01-02"), True),
        (Every("6h", "2024-01-01"), Daily("2024-01-01"), True),
        (Every("6h", "2024-01-01"), Daily("2024-01-01", tz="Europe/Berlin"), False),
        (Every("15m", "2024-01-01"), Daily("2024-01-01", tz="Europe/Berlin"), True),
        (Every("15m", "2024-01-01"), Hourly("2024-01-01"), True),
        (Every("7m", "2024-01-01"), Hourly("2024-01-01"), False),
        (Every("1m", "2024-01-01"), Monthly("2024-01-01", tz="Asia/Kolkata"), True),
        (Cron("0 0 * * 1", "2024-01-01"), Weekly("2024-01-01"), True),
        (Cron("0 6 * * 1", "2024-01-01"), Weekly("2024-01-01"), False),
        (Cron("0 6 * * 1-5", "2024-01-01"), Hourly("2024-01-01"), True),
        (Cron("0 6 * * 1-5", "2024-01-01"), Cron("0 6 * * *", "2024-01-01"), True),
        (Cron("0 6 * * 1-5", "2024-01-01"), Cron("0 7 * * *", "2024-01-01"), False),
    ],
)
def test_grains_nest_if_one_is_cut_exactly_by_the_other(
    one: Grain, other: Grain, nests: bool
) -> None:
    assert (one.nests(other), other.nests(one)) == (nests, nests)


def test_only_hours_share_a_line_across_zones() -> None:
    assert Hourly("2024-01-01").same_line(Hourly("2020-01-01", tz="Asia/Tokyo"))
    assert not Daily("2024-01-01").same_line(Daily("2024-01-01", tz="Asia/Tokyo"))
    assert Weekly("2024-01-01").same_line(Weekly("2020-01-01", "2021-01-01"))
    assert not Weekly("2024-01-01").same_line(Weekly("2024-01-01", first_day="sunday"))


def test_a_signature_holds_what_can_change_a_result_and_no_range() -> None:
    assert Hourly("2024-01-01", tz="Asia/Tokyo").signature == ("hourly", "Asia/Tokyo")
    assert Weekly("2024-01-01", "2025-01-01").signature == ("weekly", "UTC", "monday")
    assert Whole().signature == ("whole",)


@pytest.mark.parametrize("grain", GRAINS, ids=repr)
def test_a_grain_equals_its_pickled_and_its_written_form(grain: Grain) -> None:
    written = eval(repr(grain))
    assert pickle.loads(pickle.dumps(grain)) == grain == written
    assert hash(written) == hash(grain)


def test_a_grain_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Daily("2024-01-01").lo = 3  # type: ignore[misc]


def test_what_has_ended_is_due() -> None:
    grain = Daily("2024-01-01")
    assert grain.due(at("2024-01-02T00:00") - 1) == grain.lo
    assert grain.due(at("2024-01-02T00:00")) == grain.lo + 1
    assert Whole().due(0) == 1


def test_moments_are_shown_by_the_clock_of_the_zone() -> None:
    grain = Monthly("2024-03", tz="Europe/Berlin")
    start, end = grain.start_of(grain.lo), grain.end_of(grain.lo)
    assert str(start) == "2024-03-01 00:00:00+01:00"
    assert str(end) == "2024-04-01 00:00:00+02:00"
    assert isinstance(start, pendulum.DateTime)
    assert isinstance(grain.date_of(grain.lo), pendulum.Date)
    hour = Hourly("2024-01-01T00", tz="Asia/Tokyo")
    assert (hour.key(hour.lo), str(hour.date_of(hour.lo))) == ("2023-12-31T15", "2024-01-01")


def test_the_partition_column_has_dates_and_for_hours_naive_datetimes_in_utc() -> None:
    days = Daily("2024-03-30", tz="Europe/Berlin")
    assert days.column_values(days.lo, days.lo + 2) == [date(2024, 3, 30), date(2024, 3, 31)]
    weeks = Weekly("2024-W09")
    assert weeks.column_values(weeks.lo, weeks.lo + 1) == [date(2024, 2, 26)]
    hours = Hourly("2024-01-01T00", tz="Asia/Tokyo")
    assert hours.column_values(hours.lo, hours.lo + 1) == [datetime(2023, 12, 31, 15)]  # noqa: DTZ001
    names = [
        (grain.column, grain.column_type) for grain in (hours, days, weeks, Monthly("2024-01"))
    ]
    assert names == [("hour", "datetime"), ("date", "date"), ("week", "date"), ("month", "date")]


def test_the_whole_is_one_partition_of_all_time() -> None:
    whole = Whole()
    everything = whole.interval(0)
    assert (whole.lo, whole.hi, whole.keys(0, 1), whole.column) == (0, 1, ["all"], None)
    assert whole.overlapping(at("2024-01-01"), at("2024-01-02")) == (0, 1)
    assert (whole.start_of(0), whole.end_of(0), whole.date_of(0)) == (None, None, None)
    daily = Daily("2024-01-01", tz="Europe/Berlin")
    lo, hi = daily.overlapping(everything.start, everything.end)
    assert lo < daily.lo < hi


def test_many_years_of_a_zone_are_read_from_what_was_found_once() -> None:
    grain = Daily("2014-01-01", tz="Europe/Rome")
    first = grain.edges(grain.lo, grain.lo + 3650)
    again = grain.edges(grain.lo, grain.lo + 3650)
    assert np.array_equal(first, again)
    again[:] = 0  # what a caller does to its array stays with the caller
    assert np.array_equal(first, grain.edges(grain.lo, grain.lo + 3650))


def test_grains_in_utc_load_neither_pendulum_nor_zones() -> None:
    code = (
        "import sys; from partflow import Daily; g = Daily('2024-01-01'); g.key(g.lo);"
        "print({'pendulum', 'zoneinfo'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("grain", "text"),
    [
        (Daily("2024-01-01"), "daily"),
        (Daily("2024-01-01", tz="Europe/Berlin"), "daily, Europe/Berlin"),
        (Weekly("2024-01-01", first_day="sunday"), "weekly from sunday"),
        (Whole(), "whole"),
        (Every("2w", "2024-01-01"), "every 14d from 2024-01-01"),
        (
            Every("60m", "2024-01-01T00Z", tz="Asia/Tokyo"),
            "every 1h from 2024-01-01T00, Asia/Tokyo",
        ),
        (Cron("0  6 * * mon-fri", "2024-01-01"), "cron 0 6 * * MON-FRI"),
    ],
)
def test_a_grain_is_described_in_a_few_words(grain: Grain, text: str) -> None:
    assert grain.describe() == text


def test_steps_are_numbered_by_where_the_anchor_lies_in_one_and_not_by_the_anchor() -> None:
    one, moved = Every("3d", "2024-01-01"), Every("3d", "2023-12-29", "2030-01-01")
    assert (one.signature, one.ordinal("2024-01-04")) == (
        moved.signature,
        moved.ordinal("2024-01-04"),
    )
    assert one.lo == moved.lo + 1
    other = Every("3d", "2024-01-02")
    assert other.signature != one.signature
    assert not other.same_line(one)
    with pytest.raises(UsageError, match="not a key of the grain 'every 3d from 2024-01-02'"):
        other.ordinal("2024-01-04")


def test_steps_of_days_are_local_and_those_of_hours_have_elapsed() -> None:
    days, hours = (Every(step, "2024-03-30T00:00", tz="Europe/Berlin") for step in ("2d", "48h"))
    ends = [str(grain.end_of(grain.lo)) for grain in (days, hours)]
    assert ends == ["2024-04-01 00:00:00+02:00", "2024-04-01 01:00:00+02:00"]
    assert Every("6h", "2024-01-01").same_line(Every("6h", "2024-01-01T06Z", tz="Asia/Tokyo"))
    assert not Every("2d", "2024-01-01").same_line(Every("2d", "2024-01-01", tz="Asia/Tokyo"))


def test_firings_are_numbered_whatever_the_start_is() -> None:
    crons = [Cron("0 6 * * 1-5", start) for start in ("1999-01-01", "2020-01-01", "2031-07-01")]
    assert {cron.ordinal("2024-02-29T0600") for cron in crons} == {1086}
    assert {cron.signature for cron in crons} == {("cron", "0 6 * * 1-5", "UTC")}


@pytest.mark.parametrize(
    ("expression", "tz", "near", "keys"),
    [
        # 02:00 to 03:00 is skipped: what is at a fixed time fires where the clock goes on ...
        ("30 2 * * *", "Europe/Berlin", "2024-03-30T12", ["2024-03-31T0100", "2024-04-01T0030"]),
        # ... and once if the clock shows it twice;
        ("30 2 * * *", "Europe/Berlin", "2024-10-26T12", ["2024-10-27T0030", "2024-10-28T0130"]),
        # two of them that are skipped are one;
        ("0,30 2 * * *", "Europe/Berlin", "2024-03-31T00", ["2024-03-31T0100", "2024-04-01T0000"]),
        # with a star it fires at each time that the clock shows.
        ("30 * * * *", "Europe/Berlin", "2024-03-31T00:30", ["2024-03-31T0030", "2024-03-31T0130"]),
        ("30 */2 * * *", "Europe/Berlin", "2024-10-27T00", ["2024-10-27T0030", "2024-10-27T0130"]),
        ("0 6 * * *", "Pacific/Apia", "2011-12-30T00", ["2011-12-30T1000", "2011-12-30T1600"]),
        ("0 0 29 2 *", "UTC", "2096-03-01", ["2104-02-29T0000", "2108-02-29T0000"]),
        ("0 0 * * 5L", "UTC", "2024-02-01", ["2024-02-23T0000", "2024-03-29T0000"]),
    ],
)
def test_a_cron_fires_by_the_clock_of_its_zone(expression, tz, near, keys) -> None:
    cron = Cron(expression, "2024-01-01", tz=tz)
    first = cron.ordinal_at(at(near) - 1) + 1
    assert cron.keys(first, first + 2) == keys


def test_an_interval_of_a_cron_runs_from_one_firing_to_the_next() -> None:
    cron = Cron("0 6 * * 1-5", "2024-01-01", tz="Europe/Berlin")
    friday = cron.ordinal("2024-03-29T0500")
    assert str(cron.start_of(friday)) == "2024-03-29 06:00:00+01:00"
    assert str(cron.end_of(friday)) == "2024-04-01 06:00:00+02:00"
    assert cron.column_values(friday, friday + 1) == [datetime(2024, 3, 29, 5)]  # noqa: DTZ001
    assert (cron.column, cron.column_type) == (None, "datetime")
    assert (Every("3d", "2024-01-01").column_type, Every("3h", "2024-01-01").column_type) == (
        "date",
        "datetime",
    )


def test_firings_of_many_years_are_found_once() -> None:
    cron = Cron("0 6 * * *", "2014-01-01", tz="Europe/Rome")
    edges = cron.edges(cron.lo, cron.lo + 3650)
    again = cron.edges(cron.lo, cron.lo + 3650)
    assert np.array_equal(edges, again)
    again[:] = 0  # what a caller does to its array stays with the caller
    assert np.array_equal(edges, cron.edges(cron.lo, cron.lo + 3650))
