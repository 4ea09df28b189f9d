from datetime import date

import polars as pl
import pytest

from jobs import rentals as jobs_rentals
from jobs import weather as jobs_weather
from jobs.hours import DAYS
from jobs.rentals import RENTALS, clean_rentals
from jobs.weather import WEATHER, clean_weather
from partflow import Partition

FRIDAY, SATURDAY = date(2012, 6, 1), date(2012, 6, 2)


def rentals(*rows, day=FRIDAY):
    frame = pl.DataFrame(list(rows), schema=RENTALS, orient="row")
    return frame.with_columns(date=pl.lit(day))


def weather(*rows, day=FRIDAY):
    frame = pl.DataFrame(list(rows), schema=WEATHER, orient="row")
    return frame.with_columns(date=pl.lit(day))


def spanning(first, last):
    return Partition.spanning(DAYS, *(DAYS.ordinal(day.isoformat()) for day in (first, last)))


def tidy_rentals(raw):
    """What is made of a Friday, without its date."""
    return jobs_rentals.tidy_rentals(raw, spanning(FRIDAY, FRIDAY)).drop("date")


def tidy_weather(raw):
    """What is made of a Friday, without its date."""
    return jobs_weather.tidy_weather(raw, spanning(FRIDAY, FRIDAY)).drop("date")


def test_nothing_of_one_day_is_in_another_that_is_made_with_it():
    days = spanning(FRIDAY, SATURDAY)
    mixed = rentals((3, 1, 2)).vstack(rentals((3, 5, 6), (4, 7, 8), day=SATURDAY))
    measured = (3, 10.0, 10.0, 50.0, 20.0, "Mist")
    cold = (0, -5.0, -5.0, 40.0, 10.0, "Clear")

    counts = jobs_rentals.tidy_rentals(mixed, days)
    air = jobs_weather.tidy_weather(weather(measured).vstack(weather(cold, day=SATURDAY)), days)

    assert counts.drop("date")[:24].equals(tidy_rentals(rentals((3, 1, 2))))
    assert counts.drop("date")[24:].equals(tidy_rentals(rentals((3, 5, 6), (4, 7, 8))))
    assert air.drop("date")[:24].equals(tidy_weather(weather(measured)))
    assert air.drop("date")[24:].equals(tidy_weather(weather(cold)))
    assert air["date"].to_list() == [FRIDAY] * 24 + [SATURDAY] * 24


def test_a_day_has_24_hours_and_an_absent_one_is_marked_and_not_zero():
    clean = tidy_rentals(rentals((0, 3, 13), (2, 0, 1)))

    assert clean["hour"].to_list() == list(range(24))
    assert clean.row(0) == (0, 3, 13, 16, True)
    assert clean.row(1) == (1, None, None, None, False)
    assert clean["observed"].sum() == 2


def test_of_an_hour_that_came_twice_the_last_row_counts():
    clean = tidy_rentals(rentals((7, 1, 1), (7, 5, 6)))

    assert clean.height == 24
    assert clean.row(7) == (7, 5, 6, 11, True)


def test_an_hour_that_is_on_no_clock_is_an_error():
    with pytest.raises(ValueError, match=r"not on a clock: \[24\]"):
        tidy_rentals(rentals((24, 1, 1)))


def test_clean_rentals_and_weather_have_the_declared_types():
    some_weather = weather((0, 1.0, 1.0, 50.0, 0.0, "Clear"))

    assert dict(tidy_rentals(rentals((0, 1, 1))).schema) == clean_rentals.schema
    assert dict(tidy_weather(some_weather).schema) == clean_weather.schema


def test_a_day_of_which_nothing_came_is_24_hours_without_anything():
    assert tidy_rentals(rentals())["observed"].to_list() == [False] * 24
    assert tidy_weather(weather())["temperature_c"].null_count() == 24


def test_weather_that_is_absent_lies_between_the_hours_around_it():
    clean = tidy_weather(
        weather((3, 10.0, 10.0, 50.0, 20.0, "Mist"), (5, 14.0, 14.0, 60.0, 10.0, "Clear"))
    )

    assert clean.row(4) == (4, 12.0, 12.0, 55.0, 15.0, "Mist", False)
    assert clean["temperature_c"].to_list()[:4] == [10.0] * 4
    assert clean["temperature_c"].to_list()[5:] == [14.0] * 19
    assert clean["condition"].null_count() == 0


@pytest.mark.parametrize(
    ("column", "broken"),
    [("humidity_pct", 0.0), ("humidity_pct", 130.0), ("feels_like_c", 40.0), ("wind_kmh", -1.0)],
)
def test_what_no_instrument_can_have_measured_is_filled_from_the_hours_around(column, broken):
    good = {
        "hour": 0,
        "temperature_c": 10.0,
        "feels_like_c": 8.0,
        "humidity_pct": 60.0,
        "wind_kmh": 12.0,
        "condition": "Clear",
    }
    rows = pl.DataFrame([good, good | {"hour": 1, column: broken}], schema=WEATHER)
    raw = rows.with_columns(date=pl.lit(FRIDAY))

    assert tidy_weather(raw)[column][1] == good[column]
