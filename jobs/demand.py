"""Demand: rentals and weather by hour, and what a forecast may know of a day at its midnight."""

import polars as pl

from jobs.hours import DAYS
from jobs.rentals import clean_rentals
from jobs.weather import clean_weather
from partflow import Dataset, Partition, Source, Whole, task

# Somebody keeps this file by hand. It is a source: correct a holiday in it, and what depends on
# that day is made again.
calendar = Source(
    "calendar",
    Whole(),
    path="jobs/data/calendar.parquet",
    schema={"date": pl.Date, "holiday": pl.Boolean, "working_day": pl.Boolean},
    description="Holidays and working days of the District of Columbia",
)
demand = Dataset(
    "demand",
    DAYS,
    schema={
        "hour": pl.Int8,
        "rentals": pl.Int32,
        "observed": pl.Boolean,
        "temperature_c": pl.Float64,
        "humidity_pct": pl.Float64,
        "wind_kmh": pl.Float64,
        "condition": pl.String,
    },
    description="Rentals beside the weather in which they took place",
)

# The day's own demand: what a model learns from, and what no forecast of that day may look at.
TARGET = ("rentals", "observed")

FEATURES = {
    "hour": pl.Int8,
    "weekday": pl.Int8,
    "day_of_year": pl.Int16,
    "holiday": pl.Boolean,
    "working_day": pl.Boolean,
    "temperature_c": pl.Float64,
    "humidity_pct": pl.Float64,
    "wind_kmh": pl.Float64,
    "rain": pl.Int8,
    "lag_24h": pl.Int32,
    "lag_168h": pl.Int32,
    "mean_7d": pl.Float64,
    "mean_28d": pl.Float64,
    "hour_mean_28d": pl.Float64,
    "rentals": pl.Int32,
    "observed": pl.Boolean,
}
features = Dataset(
    "features",
    DAYS,
    schema=FEATURES,
    description="What is known of each hour at midnight before it, and what then happened",
)

RAIN = {"Clear": 0, "Mist": 1, "Light Rain": 2, "Heavy Rain": 3}


@task(reads=[clean_rentals, clean_weather], writes=demand)
def join_demand(rentals: pl.LazyFrame, weather: pl.LazyFrame) -> pl.LazyFrame:
    """Rentals with the weather of the hour."""
    return (
        rentals.select("hour", "rentals", "observed")
        .join(weather.drop("date", "observed", "feels_like_c"), on="hour")
        .sort("hour")
    )


@task(reads=[calendar, demand.window(-28, 0)], writes=features)
def build_features(
    calendar: pl.DataFrame, demand: pl.DataFrame, partition: Partition
) -> pl.DataFrame:
    """The day's calendar and weather, and the demand of the 28 days before it.

    The weather is the one that came, in place of a forecast of it that is never wrong. All else
    is known at midnight: whatever says how many rented comes out of `past`, and never out of
    `today`, but for the target itself.
    """
    days = demand.with_columns(age=(pl.lit(partition.date) - pl.col("date")).dt.total_days())
    today, past = days.filter(age=0), days.filter(pl.col("age") > 0)
    return (
        today.join(calendar, on="date", how="left")
        .join(past.filter(age=1).select("hour", lag_24h="rentals"), on="hour", how="left")
        .join(past.filter(age=7).select("hour", lag_168h="rentals"), on="hour", how="left")
        .join(mean_by_hour(past), on="hour", how="left")
        .with_columns(
            weekday=pl.col("date").dt.weekday(),
            day_of_year=pl.col("date").dt.ordinal_day(),
            rain=pl.col("condition").replace_strict(RAIN, return_dtype=pl.Int8),
            mean_7d=pl.lit(mean_of(past.filter(pl.col("age") <= 7)), pl.Float64),
            mean_28d=pl.lit(mean_of(past), pl.Float64),
        )
        .select(list(FEATURES))
        .sort("hour")
    )


def mean_by_hour(days: pl.DataFrame) -> pl.DataFrame:
    """Each hour's mean over those days."""
    return days.group_by("hour").agg(hour_mean_28d=pl.col("rentals").mean())


def mean_of(days: pl.DataFrame) -> float | None:
    """Rentals in a mean observed hour of those days; None if there is no such hour."""
    mean = days["rentals"].mean()
    return mean if isinstance(mean, float) else None
