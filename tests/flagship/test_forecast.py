"""The correction and the interval, on made-up errors."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from flagshipdays import span

from jobs.forecast import FEWEST, FORECAST, POWER, corrected, forecast_days
from jobs.issued import issue, live_error, score_issued

FIRST = date(2012, 1, 1)


def candidates_of(mean):
    """A mean for each of the days, the same with either weather."""
    days, hours = mean.shape
    return pl.concat(
        pl.DataFrame(
            {
                "date": [FIRST + timedelta(days=day) for day in range(days) for _ in range(hours)],
                "hour": list(range(hours)) * days,
                "rentals": mean.ravel(),
            },
            schema_overrides={"hour": pl.Int8},
        ).with_columns(model=pl.lit("mean"), weather=pl.lit(weather))
        for weather in ("actual", "forecast")
    )


def demand_of(actual):
    rows = candidates_of(actual).filter(weather="actual")
    return rows.select("date", "hour", pl.col("rentals").fill_nan(None).cast(pl.Int32))


def made(mean, actual, first, last):
    """Forecasts of the days of those numbers, out of the days before only."""
    days = [FIRST + timedelta(days=day) for day in (first, last)]
    known = demand_of(actual).filter(pl.col("date") < days[1])
    said = candidates_of(mean).filter(pl.col("date") <= days[1])
    return forecast_days(said, known, span(*days))


@pytest.fixture(scope="module")
def noisy():
    """A year of means of 100 and of counts that differ from them by a tenth or so, by chance."""
    chance = np.random.default_rng(1)
    return np.full((366, 24), 100.0), np.round(100 * np.exp(chance.normal(0, 0.1, (366, 24))))


def test_a_level_that_was_off_for_two_weeks_is_put_right_in_part():
    mean, actual = np.full((15, 24), 100.0), np.full((15, 24), 50.0)

    assert corrected(mean, actual, POWER)[14] == pytest.approx(100 * 0.5**0.6)


def test_a_correction_is_at_most_by_half_or_to_twice():
    mean = np.full((15, 24), 100.0)

    assert corrected(mean, mean * 0, POWER)[14] == pytest.approx(50)
    assert corrected(mean, mean * 90, POWER)[14] == pytest.approx(200)


def test_hours_that_were_not_observed_correct_nothing():
    mean, actual = np.full((15, 24), 100.0), np.full((15, 24), 50.0)
    actual[:, 12:] = np.nan
    mean[:, 12:] = 9999.0

    assert corrected(mean, actual, POWER)[14, :12] == pytest.approx(100 * 0.5**0.6)


def test_the_first_day_of_all_is_the_mean_without_an_interval():
    rows = made(np.full((1, 24), 100.0), np.full((1, 24), 1.0), 0, 0)

    assert dict(rows.drop("date").schema) == FORECAST
    assert rows["forecast"].to_list() == [100.0] * 48
    assert rows["low"].null_count() == rows["high"].null_count() == 48


def test_an_interval_is_said_once_there_are_enough_errors(noisy):
    needed = -(-FEWEST // 4)  # the smallest blocks have four hours

    rows = made(*noisy, needed, needed)

    assert rows["low"].null_count() == 0


def test_four_of_five_hours_lie_between_low_and_high(noisy):
    mean, actual = noisy
    rows = (
        made(mean, actual, 200, 365)
        .filter(weather="actual")
        .join(demand_of(actual).rename({"rentals": "actual"}), on=["date", "hour"])
    )

    held = rows["actual"].is_between(rows["low"], rows["high"]).mean()
    assert held == pytest.approx(0.8, abs=0.02)
    assert (rows["low"] < rows["forecast"]).all()
    assert (rows["forecast"] < rows["high"]).all()


def test_an_interval_widens_while_more_falls_outside_of_it(noisy):
    mean, actual = noisy
    wild = actual.copy()
    wild[180:200, ::2] *= 2.0
    wild[180:200, 1::2] /= 2.0

    calm, shaken = (made(mean, counts, 200, 200).filter(hour=12) for counts in (actual, wild))

    width = [(rows["high"] - rows["low"])[0] for rows in (calm, shaken)]
    assert width[1] > 2 * width[0]


def test_days_that_are_made_together_are_what_they_are_by_themselves(noisy):
    together = made(*noisy, 140, 365)

    for day in (140, 141, 200, 365):
        mean, actual = (hours[day - 126 : day + 1] for hours in noisy)
        rows = made(mean, actual, min(day, 126), min(day, 126))
        moved = rows.with_columns(pl.col("date") + timedelta(days=day - 126))
        assert moved.equals(together.filter(pl.col("date") == FIRST + timedelta(days=day)))


def test_neither_the_day_nor_what_is_older_than_126_days_moves_a_forecast(noisy):
    mean, actual = noisy
    other = actual.copy()
    other[:74] += 1000
    other[200:] += 1000

    assert made(mean, actual, 200, 200).equals(made(mean, other, 200, 200))


def test_what_is_issued_is_the_forecast(noisy):
    rows = made(*noisy, 200, 201)

    assert issue(rows.lazy()).collect().equals(rows)


def test_the_live_error_counts_the_hours_that_the_interval_held():
    hours = pl.DataFrame(
        {"date": [FIRST] * 24, "hour": range(24)}, schema_overrides={"hour": pl.Int8}
    )
    said = hours.with_columns(
        weather=pl.lit("actual"), forecast=pl.lit(10.0), low=pl.lit(8.0), high=pl.lit(12.0)
    )
    actual = hours.with_columns(rentals=pl.Series([10, 8, 12, 22, 0] + [None] * 19, dtype=pl.Int32))
    known = hours.with_columns(holiday=pl.lit(True), christmas=pl.lit(False), bridge=pl.lit(False))

    row = score_issued(said, known, actual).drop("date").row(0, named=True)

    assert list(row) == list(live_error.schema)
    assert row["special"]
    assert (row["observed_hours"], row["judged_hours"], row["held_hours"]) == (5, 5, 3)
    assert (row["absolute_error"], row["error"]) == (2 + 2 + 12 + 10, 2 - 2 - 12 + 10)
    # By hour: 0.2 + 0.2, 0 + 0.4, 0.4 + 0, 1.4 + 9, 7.2 + 1.2.
    assert row["pinball"] == pytest.approx(0.4 + 0.4 + 0.4 + 10.4 + 8.4)
