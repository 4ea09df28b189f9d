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
    hours = demand_of(first - 28, DAYS.hi - 1)
    scored = Partition.spanning(DAYS, first, DAYS.hi - 1)
    features = demand.build_features(calendar, hours, scored)
    return pl.concat(scored_weeks(features, hours))


def demand_of(first, last):
    days = [Partition.of(DAYS, ordinal) for ordinal in range(first, last + 1)]
    together = Partition.spanning(DAYS, first, last)
    counts = pl.concat([dated(rentals_of(day), day) for day in days])
    air = pl.concat([dated(weather.fetch_weather(day), day) for day in days])
    return demand.join_demand(
        rentals.tidy_rentals(counts, together).lazy(), weather.tidy_weather(air, together).lazy()
    ).collect()


def rentals_of(day):
    if day.key < "2012":
        return rentals.fetch_rentals_from_old_system(day)
    return rentals.fetch_rentals(day)


def dated(frame, day):
    return frame.with_columns(pl.lit(day.date).cast(pl.Date).alias("date"))


def scored_weeks(features, hours):
    monday = Partition.of(DAYS, DAYS.ordinal("2012-11-05")).date
    while monday <= features["date"].max():
        seen = pl.col("date").is_between(monday - timedelta(weeks=52), monday, closed="left")
        model, _ = forecast.train_demand_model(features.filter(seen))
        low = max(DAYS.ordinal(monday.isoformat()), FIRST_SCORED)
        week = Partition.spanning(DAYS, low, min(DAYS.ordinal(monday.isoformat()) + 7, DAYS.hi) - 1)
        dates = pl.col("date").is_between(week.start.date(), week.end.date(), closed="left")
        made = forecast.forecast_days(model, features.filter(dates))
        yield forecast.score_forecast(made, hours, week)
        monday += timedelta(weeks=1)


def wape(errors, prefix=""):
    return errors[f"{prefix}absolute_error"].sum() / errors["actual"].sum()


def test_the_last_eight_weeks_are_forecast_better_than_by_a_quarter(pytestconfig):
    calendar = pl.read_parquet(pytestconfig.rootpath / "jobs/data/calendar.parquet")

    errors = errors_of_last_eight_weeks(calendar)

    assert (errors.height, errors["observed_hours"].sum()) == (56, 1340)
    assert wape(errors) <= 0.25
    assert wape(errors, "naive_") == pytest.approx(0.393, abs=0.001)
