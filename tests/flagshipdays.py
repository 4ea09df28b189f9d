"""The flagship's days out of nothing but its functions: no partflow runs here."""

from datetime import date, timedelta
from functools import cache

import polars as pl

from jobs import (
    candidates,
    features,
    forecast,
    lessons,
    linear,
    rentals,
    tree,
    weather,
    weather_forecast,
)
from jobs.demand import join_demand
from jobs.hours import DAYS
from jobs.systems import BUNDLED
from partflow import Partition

FIRST, LAST = date(2011, 1, 1), date(2012, 12, 31)
FIRST_MOMENTS = date(2011, 1, 3)
WEEK = timedelta(weeks=1)


def span(first, last):
    """Those days together, as a batch sees them."""
    return Partition.spanning(DAYS, *(DAYS.ordinal(day.isoformat()) for day in (first, last)))


def between(frame, first, last):
    """Those days of the frame; both are in it."""
    return frame.filter(pl.col("date").is_between(first, last))


@cache
def calendar():
    return pl.read_parquet(BUNDLED / "calendar.parquet")


@cache
def clean_weather():
    raw = pl.read_parquet(BUNDLED / "weather.parquet")
    return weather.tidy_weather(raw, span(FIRST, LAST))


@cache
def clean_rentals():
    return rentals.tidy_rentals(pl.read_parquet(BUNDLED / "rentals.parquet"), span(FIRST, LAST))


@cache
def all_demand():
    return join_demand(clean_rentals().lazy(), clean_weather().lazy()).collect()


def baseline_of(demand, first=FIRST, last=LAST):
    return features.expect_the_usual(calendar(), demand, span(first, last))


def features_of(demand, first=FIRST, last=LAST):
    air, days = between(clean_weather(), first, last), span(first, last)
    expected = baseline_of(demand, first, last)
    return features.build_features(calendar(), expected, demand, air, days)


def lessons_of(known, demand, first, last):
    """Of those days."""
    return lessons.learn(between(known, first, last), between(demand, first, last))


def moments_of(known, demand, monday):
    """Of that week, with the week that partflow would put beside it."""
    sums = linear.sum_moments(lessons_of(known, demand, monday, monday + timedelta(days=6)))
    return sums.with_columns(week=pl.lit(monday))


def linear_of(moments, monday):
    """The model that is in use in the week of that Monday: trained on the 52 weeks before it."""
    seen = moments.filter(pl.col("week").is_between(monday - 52 * WEEK, monday, closed="left"))
    return linear.solve_linear_model(seen).with_columns(week=pl.lit(monday - WEEK))


def tree_of(known, demand, monday):
    """As `linear_of`."""
    first, last = monday - 52 * WEEK, monday - timedelta(days=1)
    return tree.train_tree_model(lessons_of(known, demand, first, last))


def candidates_of(models, known, expected, first, last):
    """What the models say of those days of one week."""
    return candidates.list_candidates(
        *models,
        between(known, first, last),
        between(expected, first, last),
        weather_forecast.forecast_weather(between(clean_weather(), first, last)),
    )


def monday_of(day):
    return day - timedelta(days=day.weekday())


@cache
def all_candidates(first, last):
    """Of those days, each by the models of its week."""
    demand = all_demand()
    known, expected = features_of(demand), baseline_of(demand)
    mondays = pl.date_range(FIRST_MOMENTS, monday_of(last), "1w", eager=True)
    moments = pl.concat(moments_of(known, demand, monday) for monday in mondays)
    made = []
    for monday in mondays.filter(mondays >= monday_of(first)):
        models = linear_of(moments, monday), tree_of(known, demand, monday)
        week = max(monday, first), min(monday + timedelta(days=6), last)
        made.append(candidates_of(models, known, expected, *week))
    return pl.concat(made)


def forecasts_of(said, demand, first, last):
    """Of those days, out of what the models said of them and of the days before."""
    return forecast.forecast_days(between(said, date.min, last), demand, span(first, last))
