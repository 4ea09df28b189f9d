"""Weather: fetched day by day, then cleaned of what its instruments got wrong."""

import polars as pl

from jobs import systems
from jobs.hours import DAYS, every_hour
from partflow import Dataset, Partition, task

MEASURED = ("temperature_c", "feels_like_c", "humidity_pct", "wind_kmh")
WEATHER = {"hour": pl.Int64, **dict.fromkeys(MEASURED, pl.Float64), "condition": pl.String}

raw_weather = Dataset(
    "raw_weather",
    DAYS,
    schema=WEATHER,
    description="What the weather system said",
)
clean_weather = Dataset(
    "clean_weather",
    DAYS,
    schema={**WEATHER, "hour": pl.Int8, "observed": pl.Boolean},
    description="24 hours a day in °C, km/h and %; the hours that the source lacks are filled",
)


@task(writes=raw_weather, retries=3, retry_delay="1s")
def fetch_weather(partition: Partition) -> pl.DataFrame:
    """A day of the weather system."""
    return systems.as_frame(systems.weather(partition.key), WEATHER)


@task(reads=[raw_weather], writes=clean_weather, batch=True)
def tidy_weather(raw: pl.DataFrame, days: Partition) -> pl.DataFrame:
    """Every hour once, without impossible values; gaps are filled from the hours around them.

    From hours of the same day: what a day is made of does not depend on how many are made at once.
    """
    believed = raw.select(
        "date",
        pl.col("hour").cast(pl.Int8),
        "temperature_c",
        # A stuck thermometer: no wind or damp makes 15 °C of difference here.
        believe("feels_like_c", (pl.col("feels_like_c") - pl.col("temperature_c")).abs() <= 15),
        # Air is never quite dry: 0 % is a hygrometer that is off.
        believe("humidity_pct", pl.col("humidity_pct").is_between(1, 100)),
        believe("wind_kmh", pl.col("wind_kmh") >= 0),
        "condition",
    )
    around = pl.col(*MEASURED, "condition").forward_fill().backward_fill()
    return (
        every_hour(believed, days)
        .with_columns(pl.col(MEASURED).interpolate().over("date"))
        .with_columns(around.over("date"))
    )


def believe(column: str, condition: pl.Expr) -> pl.Expr:
    """The column where the condition holds, and null elsewhere."""
    return pl.when(condition).then(column).alias(column)
