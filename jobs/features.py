"""What is known of a day at its midnight: calendar, weather, and the demand of the days before.

Nothing here has seen the day's own demand: `demand.window(-28, -1)` ends the day before. What came
of past days is joined to their features in `lessons`, for models to learn from.
"""

import polars as pl

from jobs.calendar import calendar, kinds_of_day
from jobs.demand import HOUR, demand
from jobs.hours import DAYS, dates, hours_of
from jobs.weather import clean_weather
from partflow import Dataset, Partition, task

baseline = Dataset(
    "baseline",
    DAYS,
    schema={
        "hour": pl.Int8,
        "casual": pl.Float64,
        "registered": pl.Float64,
        "naive": pl.Float64,
    },
    description="What one expects without a model: the hour's mean on such days of the last 28",
)

WEATHER = {
    "temperature_c": pl.Float64,
    "humidity_pct": pl.Float64,
    "wind_kmh": pl.Float64,
    "rain": pl.Int8,
    "rain_around": pl.Float64,
    "rain_of_day": pl.Float64,
    "warmer": pl.Float64,
}
FEATURES = {
    "hour": pl.Int8,
    "weekday": pl.Int8,
    "day_of_year": pl.Int16,
    "holiday": pl.Boolean,
    "working_day": pl.Boolean,
    "christmas": pl.Boolean,
    "bridge": pl.Boolean,
    "beside_holiday": pl.Boolean,
    **WEATHER,
    "temperature_28d": pl.Float64,
    "casual_7d": pl.Float64,
    "casual_28d": pl.Float64,
    "registered_7d": pl.Float64,
    "registered_28d": pl.Float64,
    "casual_expected": pl.Float64,
    "registered_expected": pl.Float64,
}
features = Dataset(
    "features",
    DAYS,
    schema=FEATURES,
    description="What is known of each hour at midnight before it",
)

CUSTOMERS = ("casual", "registered")
RAIN = {"Clear": 0, "Mist": 1, "Light Rain": 2, "Heavy Rain": 3}


@task(reads=[calendar, demand.window(-28, -1)], writes=baseline, batch=True)
def expect_the_usual(calendar: pl.DataFrame, demand: pl.DataFrame, days: Partition) -> pl.DataFrame:
    """The hour's mean over those of the 28 days before that are working days, or are not.

    Where there is none yet, the mean of the hour over all days. Beside it stands the naive
    forecast, the same hour of last week; where that hour is absent it says none, which is what an
    absent hour mostly means.
    """
    works = calendar.select("date", "working_day")
    past = days_before(days, demand.join(works, on="date"))
    today = hours_of(days).join(works, on="date")
    alike = past.group_by(*HOUR, "working_day").agg(pl.col(CUSTOMERS).mean())
    any_day = past.group_by(HOUR).agg(pl.col(CUSTOMERS).mean().name.suffix("_any"))
    last_week = past.filter(age=7).select(*HOUR, naive=pl.col("rentals").fill_null(0))
    return (
        today.join(alike, on=[*HOUR, "working_day"], how="left")
        .join(any_day, on=HOUR, how="left")
        .join(last_week, on=HOUR, how="left")
        .with_columns(pl.coalesce(name, f"{name}_any").alias(name) for name in CUSTOMERS)
        .select(*HOUR, *CUSTOMERS, pl.col("naive").cast(pl.Float64))
        .sort(HOUR)
    )


@task(
    reads=[calendar, baseline, demand.window(-28, -1), clean_weather], writes=features, batch=True
)
def build_features(
    calendar: pl.DataFrame,
    baseline: pl.DataFrame,
    demand: pl.DataFrame,
    weather: pl.DataFrame,
    days: Partition,
) -> pl.DataFrame:
    """Each day's calendar and weather, and means of the demand of the 28 days before it.

    The weather is the one that came, in place of a forecast of it that is never wrong;
    `weather_forecast` has one that errs.
    """
    past = days_before(days, demand)
    known = (
        baseline.select(*HOUR, *[pl.col(name).alias(f"{name}_expected") for name in CUSTOMERS])
        .join(kinds_of_day(calendar), on="date", how="left")
        .join(means(past, 7), on="date", how="left")
        .join(means(past, 28), on="date", how="left")
        .join(past.group_by("date").agg(mean_temperature()), on="date", how="left")
        .with_columns(
            weekday=pl.col("date").dt.weekday(), day_of_year=pl.col("date").dt.ordinal_day()
        )
    )
    return with_weather(known, weather).select("date", *FEATURES).sort(HOUR)


def with_weather(known: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    """What is known of whole days, with this weather in place of any other.

    Rain counts in the hours before and after it, too, and over the day: people see it coming, or
    leave the bicycle at home.
    """
    wet = (pl.col("rain") >= 2).cast(pl.Float64)
    before, after = wet.shift(1).fill_null(wet), wet.shift(-1).fill_null(wet)
    measured = weather.select(
        *HOUR,
        "temperature_c",
        "humidity_pct",
        "wind_kmh",
        rain=pl.col("condition").replace_strict(RAIN, return_dtype=pl.Int8),
    )
    return (
        known.drop(WEATHER, strict=False)
        .join(measured, on=HOUR, maintain_order="left")
        .sort(HOUR)
        .with_columns(
            warmer=pl.col("temperature_c") - pl.col("temperature_28d"),
            rain_around=((before + wet + after) / 3).over("date"),
            rain_of_day=wet.mean().over("date"),
        )
    )


def days_before(days: Partition, demand: pl.DataFrame) -> pl.DataFrame:
    """For each of the days the demand of the 28 days before it; `age` says how many days."""
    ages = pl.DataFrame({"age": range(1, 29)})
    then = (pl.col("date") - pl.duration(days="age")).alias("then")
    hours = demand.rename({"date": "then"})
    return dates(days).join(ages, how="cross").with_columns(then).join(hours, on="then")


def means(past: pl.DataFrame, age: int) -> pl.DataFrame:
    """Each kind of customers in a mean observed hour of so many days before."""
    mean = pl.col(CUSTOMERS).mean().name.suffix(f"_{age}d")
    return past.filter(pl.col("age") <= age).group_by("date").agg(mean)


def mean_temperature() -> pl.Expr:
    """Of whole thousandths of a degree, whose sum is the same in any order.

    Not their mean ÷ 1000: polars divides a column by a number in another way than a single row.
    """
    thousandths = (pl.col("temperature_c") * 1000).round().cast(pl.Int64)
    return (thousandths.sum() / (thousandths.count() * 1000)).alias("temperature_28d")
