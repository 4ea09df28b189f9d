from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from jobs.demand import FEATURES, TARGET, demand
from jobs.forecast import (
    forecast,
    forecast_days,
    forecast_error,
    model_metrics,
    score_forecast,
    train_demand_model,
)
from partflow import Daily, Partition

DAYS = Daily("2011-01-01", "2013-01-01")
MONDAY = date(2012, 6, 4)


def partition(day):
    return Partition.of(DAYS, DAYS.ordinal(day.isoformat()))


def features_of(day, level=100.0):
    """A day on which hour h has h/12 of the level; so the mean hour has nearly the level."""
    hours = list(range(24))
    return pl.DataFrame(
        {name: [1] * 24 for name in FEATURES}
        | {"hour": hours, "mean_28d": [level] * 24, "mean_7d": [level] * 24}
        | {"rentals": [round(level * hour / 12) for hour in hours], "observed": [True] * 24}
        | {"date": [day] * 24},
        schema_overrides=FEATURES | {"date": pl.Date},
        strict=False,
    )


@pytest.fixture(scope="module")
def trained():
    weeks = pl.concat([features_of(MONDAY + timedelta(days=n)) for n in range(28)])
    return train_demand_model(weeks)


def test_a_model_learns_the_shape_of_a_day(trained):
    model, _ = trained

    hours = forecast_days(model, features_of(date(2012, 7, 2)))["forecast"]

    assert hours.to_list() == pytest.approx([100 * hour / 12 for hour in range(24)], abs=5)


def test_a_business_that_doubled_is_forecast_to_have_doubled(trained):
    model, _ = trained

    before = forecast_days(model, features_of(date(2012, 7, 2), level=100))
    after = forecast_days(model, features_of(date(2012, 7, 2), level=200))

    assert after["forecast"].to_list() == pytest.approx((before["forecast"] * 2).to_list())


def test_a_forecast_looks_neither_at_the_demand_of_the_day_nor_at_whether_it_was_observed(trained):
    model, _ = trained
    features = features_of(date(2012, 7, 2))
    unknown = features.with_columns(rentals=pl.lit(None, pl.Int32), observed=pl.lit(value=False))

    forecasts = forecast_days(model, features)

    assert forecasts.equals(forecast_days(model, unknown))
    assert not set(TARGET) & set(forecasts.columns)


def test_a_forecast_is_24_hours_of_the_declared_types_and_never_below_zero(trained):
    model, _ = trained

    hours = forecast_days(model, features_of(date(2012, 7, 2)))

    assert dict(hours.drop("date").schema) == forecast.schema
    assert hours["hour"].to_list() == list(range(24))
    assert hours["forecast"].min() >= 0


def test_the_metrics_say_what_the_model_was_trained_on(trained):
    _, metrics = trained
    row = metrics.row(0, named=True)

    assert dict(metrics.schema) == model_metrics.schema
    assert (row["first_day"], row["last_day"]) == (MONDAY, MONDAY + timedelta(days=27))
    assert row["hours"] == 28 * 24
    assert 0 <= row["training_wape"] < 0.05


def test_hours_that_were_not_observed_teach_nothing():
    weeks = pl.concat([features_of(MONDAY + timedelta(days=n)) for n in range(14)])
    half = weeks.with_columns(
        observed=pl.col("hour") >= 12, rentals=pl.when(pl.col("hour") >= 12).then("rentals")
    )

    _, metrics = train_demand_model(half)

    assert metrics["hours"][0] == 14 * 12


def test_training_twice_gives_the_same_model():
    noise = np.random.default_rng(5)
    weeks = pl.concat([features_of(MONDAY + timedelta(days=n)) for n in range(28)]).with_columns(
        rentals=pl.Series(noise.integers(0, 500, 28 * 24), dtype=pl.Int32),
        temperature_c=pl.Series(noise.normal(size=28 * 24)),
    )

    first, second = (train_demand_model(weeks)[0] for _ in range(2))

    assert forecast_days(first, weeks).equals(forecast_days(second, weeks))


def demand_of(day, rentals):
    """Demand by hour; None is an hour that was not observed."""
    return pl.DataFrame(
        {"hour": list(range(24)), "rentals": rentals, "date": [day] * 24},
        schema_overrides={"hour": pl.Int8, "rentals": pl.Int32},
    ).select(
        "hour",
        "rentals",
        pl.col("rentals").is_not_null().alias("observed"),
        *[pl.lit(None, demand.schema[c]).alias(c) for c in list(demand.schema)[3:]],
        "date",
    )


def forecast_of(day, values):
    return pl.DataFrame(
        {"hour": list(range(24)), "forecast": values, "date": [day] * 24},
        schema_overrides={"hour": pl.Int8, "forecast": pl.Float64},
    )


def test_errors_are_of_the_observed_hours_only():
    today, last_week = date(2012, 6, 8), date(2012, 6, 1)
    days = pl.concat([demand_of(last_week, [10] * 24), demand_of(today, [20, 40] + [None] * 22)])

    row = score_forecast(
        forecast_of(today, [25.0, 30.0] + [999.0] * 22), days, partition(today)
    ).row(0, named=True)

    assert row["observed_hours"] == 2
    assert row["actual"] == 60
    assert (row["absolute_error"], row["naive_absolute_error"]) == (15, 40)
    assert (row["wape"], row["mae"], row["bias"]) == (0.25, 7.5, -2.5)
    assert (row["naive_wape"], row["naive_mae"], row["naive_bias"]) == (40 / 60, 20, -20)


def test_the_naive_forecast_is_last_week_and_says_none_where_that_is_absent():
    today = date(2012, 6, 8)
    week = [demand_of(today - timedelta(days=age), [age * 10] * 24) for age in range(6, 0, -1)]
    days = pl.concat(
        [demand_of(today - timedelta(days=7), [None] + [7] * 23), *week, demand_of(today, [7] * 24)]
    )

    errors = score_forecast(forecast_of(today, [7.0] * 24), days, partition(today))

    assert errors["observed_hours"][0] == 24
    assert errors["absolute_error"][0] == 0
    assert errors["naive_absolute_error"][0] == 7


def test_days_that_are_scored_together_have_the_errors_that_they_have_by_themselves():
    first, second = date(2012, 6, 8), date(2012, 6, 9)
    demands = {
        day: demand_of(day, [(day.day * 7 + hour) % 50 + 1 for hour in range(24)])
        for day in (first - timedelta(days=7), second - timedelta(days=7), first)
    }
    demands[second] = demand_of(second, [None] * 24)
    window = pl.concat(demands.values())
    said = {day: forecast_of(day, [h / 3 + day.day for h in range(24)]) for day in (first, second)}
    together = Partition.spanning(DAYS, *(DAYS.ordinal(d.isoformat()) for d in (first, second)))

    errors = score_forecast(pl.concat(said.values()), window, together)

    for day in (first, second):
        alone = score_forecast(said[day], window.filter(pl.col("date") <= day), partition(day))
        assert errors.filter(date=day).equals(alone, null_equal=True)
    assert errors.row(1, named=True)["observed_hours"] == 0


def test_errors_have_the_declared_types():
    today = date(2012, 6, 8)
    days = pl.concat([demand_of(date(2012, 6, 1), [1] * 24), demand_of(today, [1] * 24)])

    errors = score_forecast(forecast_of(today, [1.0] * 24), days, partition(today))

    assert dict(errors.drop("date").schema) == forecast_error.schema
