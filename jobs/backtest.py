"""The backtest: how each model and the forecast would have done, month by month."""

import polars as pl

from jobs.calendar import special
from jobs.candidates import candidate_error
from jobs.demand import HOUR, demand
from jobs.errors import ERRORS, INTERVAL_ERRORS, sums_of_errors, sums_of_intervals
from jobs.features import features
from jobs.forecast import forecast
from partflow import Dataset, Monthly, task

BACKTEST = {
    "model": pl.String,
    "weather": pl.String,
    "special": pl.Boolean,
    **ERRORS,
    **INTERVAL_ERRORS,
    "wape": pl.Float64,
    "bias": pl.Float64,
    "coverage": pl.Float64,
}
backtest = Dataset(
    "backtest",
    Monthly("2011-04-01", "2013-01-01"),
    schema=BACKTEST,
    description="Errors of each month by model and weather, ordinary days and special ones apart",
)


@task(reads=[candidate_error, forecast, features, demand], writes=backtest)
def judge(
    candidate_error: pl.DataFrame,
    forecast: pl.DataFrame,
    features: pl.DataFrame,
    demand: pl.DataFrame,
) -> pl.DataFrame:
    """Sums over the month's days, and their ratios; only the forecast has an interval to judge."""
    by = ["model", "weather", "special"]
    models = candidate_error.sort("date", *by).group_by(by).agg(pl.col(ERRORS).sum())
    corrected = (
        forecast.with_columns(model=pl.lit("forecast"))
        .join(demand.select(*HOUR, actual=pl.col("rentals")), on=HOUR)
        .join(features.select(*HOUR, special=special()), on=HOUR)
        .sort(HOUR)
        .group_by(by)
        .agg(*sums_of_errors("forecast"), *sums_of_intervals())
    )
    return (
        pl.concat([models, corrected], how="diagonal")
        .with_columns(
            wape=pl.col("absolute_error") / pl.col("actual"),
            bias=pl.col("error") / pl.col("actual"),
            coverage=pl.col("held_hours") / pl.col("judged_hours"),
        )
        .select(*BACKTEST)
        .sort(by)
    )
