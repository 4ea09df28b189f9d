"""A weather forecast that errs: the weather that came, with seeded noise.

The data has no forecasts, so this stands for one. Its errors are to be those of a forecast for
the next day, by rule of thumb and not by measurement. Temperature is off by 1.8 °C (root mean
square: 1.5 for the whole day, 1 for the hour), humidity by 10 points, wind by a quarter. Rain comes
some hours sooner or later; one rainy day in eight is forecast dry; one dry day in twelve gets three
hours of rain.
"""

import numpy as np
import polars as pl

from jobs.demand import HOUR
from jobs.hours import DAYS
from jobs.weather import clean_weather
from partflow import Dataset, task

weather_forecast = Dataset(
    "weather_forecast",
    DAYS,
    schema={
        "hour": pl.Int8,
        "temperature_c": pl.Float64,
        "humidity_pct": pl.Float64,
        "wind_kmh": pl.Float64,
        "condition": pl.String,
    },
    description="The weather that came, with the errors that a forecast of it would have",
)


@task(reads=[clean_weather], writes=weather_forecast, batch=True)
def forecast_weather(weather: pl.DataFrame) -> pl.DataFrame:
    """Each day with errors of its own."""
    days = weather.sort(HOUR).partition_by("date", maintain_order=True)
    return pl.concat([err(day) for day in days]).drop("feels_like_c", "observed")


def err(day: pl.DataFrame) -> pl.DataFrame:
    """24 hours that are wrong; the seed is the date, so a remake or a batch gives the same."""
    chance = np.random.default_rng(day["date"][0].toordinal())
    whole_day = chance.normal(0, 1.5)
    temperature = pl.Series(whole_day + chance.normal(0, 1, 24))
    humidity, wind = (pl.Series(chance.normal(0, scale, 24)) for scale in (10, 0.25))
    return day.with_columns(
        pl.col("temperature_c") + temperature,
        (pl.col("humidity_pct") + humidity).clip(1, 100),
        pl.col("wind_kmh") * (1 + wind).clip(lower_bound=0),
        condition=pl.Series(err_about_rain(day["condition"].to_list(), chance)),
    )


def err_about_rain(sky: list[str], chance: np.random.Generator) -> list[str]:
    """The day's sky, moved by some hours; now and then without its rain, or with rain added."""
    late = round(chance.normal(0, 2))
    missed = chance.random() < 1 / 8
    invented = chance.random() < 1 / 12
    start = int(chance.integers(0, 22))
    moved = [sky[min(max(hour - late, 0), 23)] for hour in range(24)]
    rains = any("Rain" in hour for hour in sky)
    if rains and missed:
        return ["Mist" if "Rain" in hour else hour for hour in moved]
    if not rains and invented:
        return [*moved[:start], *["Light Rain"] * 3, *moved[start + 3 :]]
    return moved
