"""Whether a day is fit to be learned from: absent hours, stuck sensors, a level that cannot be."""

import polars as pl

from jobs.demand import HOUR, demand
from jobs.features import days_before
from jobs.hours import DAYS, dates
from jobs.rentals import clean_rentals
from jobs.weather import clean_weather
from partflow import Dataset, Partition, task

demand_quality = Dataset(
    "demand_quality",
    DAYS,
    schema={
        "absent_hours": pl.UInt32,
        "stuck_sensors": pl.UInt32,
        "level": pl.Float64,
        "passed": pl.Boolean,
    },
    description="What is wrong with a day's data, and whether it may be used",
)

SENSORS = ("temperature_c", "humidity_pct", "wind_kmh")
MOST_ABSENT = 5
# Rentals ÷ those of the same hours in the 28 days before. Real days lie between 0.1, on a wet 26
# December, and 1.9, on the first warm day of the year. Beyond these a feed was cut off, or doubled.
LEVELS = (0.05, 3.0)


@task(
    reads=[clean_rentals, clean_weather, demand.window(-28, -1)], writes=demand_quality, batch=True
)
def check_demand(
    rentals: pl.DataFrame, weather: pl.DataFrame, demand: pl.DataFrame, days: Partition
) -> pl.DataFrame:
    """Each day's figures beside the verdict, so that a reader can see by how much it failed."""
    usual = days_before(days, demand).group_by(HOUR).agg(usual=pl.col("rentals").mean())
    seen = rentals.join(usual, on=HOUR, how="left").sort(HOUR).filter("observed")
    known = pl.col("usual").sum() > 0  # the first day has nothing before it
    level = pl.when(known).then(pl.col("rentals").sum() / pl.col("usual").sum())
    levels = seen.group_by("date", maintain_order=True).agg(level=level)
    absent = rentals.group_by("date").agg(absent_hours=(~pl.col("observed")).sum())
    says_one_thing = [(pl.col(sensor).n_unique() == 1).cast(pl.UInt32) for sensor in SENSORS]
    stuck = weather.group_by("date").agg(stuck_sensors=pl.sum_horizontal(says_one_thing))
    passed = (
        (pl.col("absent_hours") <= MOST_ABSENT)
        & (pl.col("stuck_sensors") == 0)
        & pl.col("level").is_between(*LEVELS).fill_null(value=True)
    )
    checked = dates(days).join(absent, on="date").join(stuck, on="date")
    return checked.join(levels, on="date", how="left").with_columns(passed=passed).sort("date")
