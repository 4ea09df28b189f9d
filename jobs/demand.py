"""Demand: rentals and weather by hour, and what a forecast may know of a day at its midnight."""

import polars as pl

from jobs.hours import DAYS, dates
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

HOUR = ["date", "hour"]
RAIN = {"Clear": 0, "Mist": 1, "Light Rain": 2, "Heavy Rain": 3}


@task(reads=[clean_rentals, clean_weather], writes=demand, batch=True)
def join_demand(rentals: pl.LazyFrame, weather: pl.LazyFrame) -> pl.LazyFrame:
    """Rentals with the weather of the hour."""
    return (
        rentals.select("date", "hour", "rentals", "observed")
        .join(weather.drop("observed", "feels_like_c"), on=("date", "hour"))
        .sort("date", "hour")
    )


@task(reads=[calendar, demand.window(-28, 0)], writes=features, batch=True)
def build_features(calendar: pl.DataFrame, demand: pl.DataFrame, days: Partition) -> pl.DataFrame:
    """Each day's calendar and weather, and the demand of the 28 days before it.

    The weather is the one that came, in place of a forecast of it that is never wrong. All else
    is known at midnight: whatever says how many rented comes out of `past`, and never out of
    `today`, but for the target itself.
    """
    today = dates(days).join(demand, on="date", maintain_order="left_right")
    past = days_before(dates(days), demand)
    return (
        today.join(calendar, on="date", how="left")
        .join(lag(past, 1, name="lag_24h"), on=HOUR, how="left")
        .join(lag(past, 7, name="lag_168h"), on=HOUR, how="left")
        .join(mean(past, by=HOUR, name="hour_mean_28d"), on=HOUR, how="left")
        .join(
            mean(past.filter(pl.col("age") <= 7), by=["date"], name="mean_7d"),
            on="date",
            how="left",
        )
        .join(mean(past, by=["date"], name="mean_28d"), on="date", how="left")
        .with_columns(
            weekday=pl.col("date").dt.weekday(),
            day_of_year=pl.col("date").dt.ordinal_day(),
            rain=pl.col("condition").replace_strict(RAIN, return_dtype=pl.Int8),
        )
        .select("date", *FEATURES)
        .sort("date", "hour")
    )


def days_before(days: pl.DataFrame, demand: pl.DataFrame) -> pl.DataFrame:
    """For each of the days the demand of the 28 days before it; `age` says how many days."""
    ages = pl.DataFrame({"age": range(1, 29)})
    then = (pl.col("date") - pl.duration(days="age")).alias("then")
    hours = demand.select(pl.col("date").alias("then"), "hour", "rentals")
    return days.join(ages, how="cross").with_columns(then).join(hours, on="then")


def lag(past: pl.DataFrame, age: int, name: str) -> pl.DataFrame:
    """Rentals of the same hour so many days before."""
    return past.filter(age=age).select(*HOUR, pl.col("rentals").alias(name))


def mean(past: pl.DataFrame, by: list[str], name: str) -> pl.DataFrame:
    """Rentals in a mean observed hour of those days; null where there is no such hour."""
    return past.group_by(by).agg(pl.col("rentals").mean().alias(name))
