from datetime import date, timedelta

import polars as pl
import pytest

from jobs.demand import FEATURES, TARGET, build_features, demand, join_demand
from jobs.forecast import INPUTS
from jobs.rentals import tidy_rentals
from jobs.weather import tidy_weather
from partflow import Daily, Partition

DAYS = Daily("2011-01-01", "2013-01-01")
FRIDAY = date(2012, 6, 1)


def partition(day):
    return Partition.of(DAYS, DAYS.ordinal(day.isoformat()))


def day_of(day, rentals, observed=True):
    """A day of demand that has the same rentals in each hour."""
    return pl.DataFrame(
        {
            "hour": list(range(24)),
            "rentals": [rentals] * 24,
            "observed": [observed] * 24,
            "temperature_c": [20.0] * 24,
            "humidity_pct": [50.0] * 24,
            "wind_kmh": [10.0] * 24,
            "condition": ["Light Rain"] * 24,
            "date": [day] * 24,
        },
        schema=demand.schema | {"date": pl.Date},
    )


def window_to(day, today=500):
    """Rentals of 100 on the day before, 200 on the one before that, and so on; 29 days."""
    past = [day_of(day - timedelta(days=age), age * 100) for age in range(28, 0, -1)]
    return pl.concat([*past, day_of(day, today)])


def calendar(holiday=False):
    return pl.DataFrame({"date": [FRIDAY], "holiday": [holiday], "working_day": [not holiday]})


def features_of(window, **calendar_says):
    features = build_features(calendar(**calendar_says), window, partition(FRIDAY))
    assert features["date"].unique().to_list() == [FRIDAY]
    return features.drop("date")


def test_lags_are_the_same_hour_of_yesterday_and_of_last_week():
    features = features_of(window_to(FRIDAY))

    assert features["lag_24h"].to_list() == [100] * 24
    assert features["lag_168h"].to_list() == [700] * 24


def test_means_are_of_the_days_before_and_not_of_the_day():
    row = features_of(window_to(FRIDAY)).row(0, named=True)

    assert row["mean_7d"] == 400
    assert row["mean_28d"] == row["hour_mean_28d"] == 1450


def test_hours_that_were_not_observed_do_not_lower_a_mean():
    window = window_to(FRIDAY).with_columns(
        rentals=pl.when(pl.col("hour") >= 12).then("rentals"),
        observed=pl.col("hour") >= 12,
    )

    features = features_of(window)

    assert features["mean_7d"][0] == 400
    assert features["lag_24h"].to_list() == [None] * 12 + [100] * 12


def test_the_calendar_of_the_day_is_known():
    row = features_of(window_to(FRIDAY), holiday=True).row(0, named=True)

    assert (row["weekday"], row["day_of_year"]) == (5, 153)
    assert (row["holiday"], row["working_day"], row["rain"]) == (True, False, 2)


def test_the_demand_of_a_day_changes_nothing_that_its_forecast_looks_at():
    quiet = features_of(window_to(FRIDAY, today=0)).drop(TARGET)
    busy = features_of(window_to(FRIDAY, today=900)).drop(TARGET)

    assert quiet.equals(busy)


def test_the_demand_of_every_day_before_changes_what_the_forecast_looks_at():
    window = window_to(FRIDAY)
    before = features_of(window)

    for age in (1, 7, 28):
        then = FRIDAY - timedelta(days=age)
        more = pl.when(pl.col("date") == then).then(pl.col("rentals") + 1).otherwise("rentals")
        changed = features_of(window.with_columns(rentals=more))
        assert not changed.drop(TARGET).equals(before.drop(TARGET)), age


def test_the_model_looks_at_nothing_of_the_target():
    assert not {*TARGET, "casual", "registered"} & set(INPUTS)


def test_days_that_are_made_together_are_what_they_are_by_themselves():
    days = [FRIDAY + timedelta(days=n) for n in range(3)]
    window = pl.concat([window_to(FRIDAY), *(day_of(day, 900) for day in days[1:])])
    together = Partition.spanning(DAYS, *(DAYS.ordinal(d.isoformat()) for d in (days[0], days[2])))

    features = build_features(calendar(), window, together)

    for day in days:
        seen = window.filter(pl.col("date").is_between(day - timedelta(days=28), day))
        alone = build_features(calendar(), seen, partition(day))
        assert features.filter(date=day).equals(alone)


def test_the_first_day_has_features_although_nothing_came_before_it():
    features = features_of(day_of(FRIDAY, 5))

    assert features.height == 24
    assert features["mean_28d"].null_count() == features["lag_24h"].null_count() == 24
    assert dict(features.schema) == FEATURES


def test_a_sky_that_nobody_has_named_yet_is_an_error():
    with pytest.raises(pl.exceptions.InvalidOperationError, match="incomplete mapping"):
        features_of(window_to(FRIDAY).with_columns(condition=pl.lit("Frogs")))


def test_demand_is_rentals_beside_the_weather_of_the_hour():
    some_rentals = tidy_rentals(
        pl.DataFrame({"date": [FRIDAY], "hour": [3], "casual": [1], "registered": [2]}),
        partition(FRIDAY),
    )
    some_weather = tidy_weather(
        pl.DataFrame(
            {
                "date": [FRIDAY, FRIDAY],
                "hour": [3, 4],
                "temperature_c": [8.0, 9.0],
                "feels_like_c": [8.0, 9.0],
                "humidity_pct": [50.0, 50.0],
                "wind_kmh": [0.0, 0.0],
                "condition": ["Clear", "Mist"],
            }
        ),
        partition(FRIDAY),
    )

    joined = join_demand(some_rentals.lazy(), some_weather.lazy()).collect().drop("date")

    assert dict(joined.schema) == demand.schema
    assert joined.height == 24
    assert joined.row(3) == (3, 3, True, 8.0, 50.0, 0.0, "Clear")
    assert joined.row(4) == (4, None, False, 9.0, 50.0, 0.0, "Mist")
