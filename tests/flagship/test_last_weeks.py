"""The headline figure, out of nothing but the tasks' functions: no partflow runs here."""

from datetime import timedelta

import polars as pl
import pytest

from jobs import demand, forecast, rentals, weather
from jobs.hours import DAYS
from partflow import Partition

FIRST_SCORED = DAYS.ordinal("2012-11-06")


def errors_of_last_eight_weeks(calendar):
    """Each week's model knows nothing of that week or later."""
    # The first model's week ends before the first day that is scored, and it learns from 52.
    first = DAYS.ordinal("2012-11-04") - 52 * 7 + 1
    days = {}
    features = []
    for ordinal in range(first - 28, DAYS.hi):
        partition = Partition.of(DAYS, ordinal)
        days[ordinal] = dated(demand_of(partition), partition)
        if ordinal >= first:
            window = pl.concat([days[o] for o in range(ordinal - 28, ordinal + 1)])
            made = demand.build_features(calendar, window, partition)
            features.append(dated(made, partition))
    return pl.concat(scored_weeks(pl.concat(features), days))


def dated(frame, partition):
    return frame.with_columns(pl.lit(partition.date).cast(pl.Date).alias("date"))


def demand_of(partition):
    if partition.key < "2012":
        raw = rentals.fetch_rentals_from_old_system(partition)
    else:
        raw = rentals.fetch_rentals(partition)
    return demand.join_demand(
        rentals.tidy_rentals(raw).lazy(),
        dated(weather.tidy_weather(weather.fetch_weather(partition)), partition).lazy(),
    ).collect()


def scored_weeks(features, days):
    monday = Partition.of(DAYS, DAYS.ordinal("2012-11-05")).date
    while monday <= features["date"].max():
        seen = pl.col("date").is_between(monday - timedelta(weeks=52), monday, closed="left")
        model, _ = forecast.train_demand_model(features.filter(seen))
        for day in range(7):
            ordinal = DAYS.ordinal(monday.isoformat()) + day
            if FIRST_SCORED <= ordinal < DAYS.hi:
                partition = Partition.of(DAYS, ordinal)
                day_features = features.filter(pl.col("date") == partition.date)
                made = dated(forecast.forecast_day(model, day_features), partition)
                window = pl.concat([days[o] for o in range(ordinal - 7, ordinal + 1)])
                yield forecast.score_forecast(made, window, partition)
        monday += timedelta(weeks=1)


def wape(errors, prefix=""):
    return errors[f"{prefix}absolute_error"].sum() / errors["actual"].sum()


def test_the_last_eight_weeks_are_forecast_better_than_by_a_quarter(pytestconfig):
    calendar = pl.read_parquet(pytestconfig.rootpath / "jobs/data/calendar.parquet")

    errors = errors_of_last_eight_weeks(calendar)

    assert (errors.height, errors["observed_hours"].sum()) == (56, 1340)
    assert wape(errors) <= 0.25
    assert wape(errors, "naive_") == pytest.approx(0.393, abs=0.001)
