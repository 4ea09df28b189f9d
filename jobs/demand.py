"""Demand: rentals by hour, beside the weather in which they took place."""

import polars as pl

from jobs.hours import DAYS
from jobs.rentals import clean_rentals
from jobs.weather import clean_weather
from partflow import Dataset, task

HOUR = ["date", "hour"]

demand = Dataset(
    "demand",
    DAYS,
    schema={
        "hour": pl.Int8,
        "casual": pl.Int32,
        "registered": pl.Int32,
        "rentals": pl.Int32,
        "observed": pl.Boolean,
        "temperature_c": pl.Float64,
        "humidity_pct": pl.Float64,
        "wind_kmh": pl.Float64,
        "condition": pl.String,
    },
    description="Rentals beside the weather in which they took place",
)


@task(reads=[clean_rentals, clean_weather], writes=demand, batch=True)
def join_demand(rentals: pl.LazyFrame, weather: pl.LazyFrame) -> pl.LazyFrame:
    """Rentals with the weather of the hour."""
    return rentals.join(weather.drop("observed", "feels_like_c"), on=HOUR).sort(HOUR)
