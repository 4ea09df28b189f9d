"""The forecast: a model every week, 24 hours every day, and how wrong they were.

The weather that came stands for a weather forecast that is never wrong, in training as in
forecasting; with a real one the errors would be larger.

scikit-learn takes a second to import, and every partflow command imports this module: so it is
imported where it is used.
"""

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from jobs.demand import HOUR, TARGET, demand, features
from jobs.deployment import switch_release
from jobs.hours import DAYS, dates
from partflow import Dataset, Partition, Weekly, effect, task

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor

# The first model is trained when there are nine weeks to learn from.
WEEKS = Weekly("2011-02-28", "2013-01-01")

demand_model = Dataset(
    "demand_model",
    WEEKS,
    format="skops",
    # The one class in it that skops doesn't know; a file that holds any other is refused.
    trusted=("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",),
    description="Predicts an hour's rentals as a multiple of the mean hour of the last 28 days",
)
model_metrics = Dataset(
    "model_metrics",
    WEEKS,
    schema={
        "first_day": pl.Date,
        "last_day": pl.Date,
        "hours": pl.UInt32,
        "training_wape": pl.Float64,
        "training_mae": pl.Float64,
    },
    description="What each model was trained on, and its error there (not on days it never saw)",
)
forecast = Dataset(
    "forecast",
    DAYS,
    schema={"hour": pl.Int8, "forecast": pl.Float64},
    description="Rentals to expect, from the newest model that is older than the day",
)
forecast_error = Dataset(
    "forecast_error",
    DAYS,
    schema={
        "observed_hours": pl.UInt32,
        "actual": pl.Float64,
        "absolute_error": pl.Float64,
        "wape": pl.Float64,
        "mae": pl.Float64,
        "bias": pl.Float64,
        "naive_absolute_error": pl.Float64,
        "naive_wape": pl.Float64,
        "naive_mae": pl.Float64,
        "naive_bias": pl.Float64,
    },
    description="How wrong the forecast was, and how wrong last week's demand would have been",
)

# What the model looks at. Inputs and settings were chosen on weeks before November 2012, so that
# the last eight weeks can judge them. The lags are for people and for other models: this one did
# no better with them.
INPUTS = (
    "hour",
    "weekday",
    "day_of_year",
    "holiday",
    "working_day",
    "temperature_c",
    "humidity_pct",
    "wind_kmh",
    "rain",
    "trend",
)
TREND = pl.col("mean_7d") / pl.col("mean_28d")


@task(reads=[features.window("-51w", "0d")], writes=[demand_model, model_metrics])
def train_demand_model(
    features: pl.DataFrame,
) -> tuple["HistGradientBoostingRegressor", pl.DataFrame]:
    """A model of the last 52 weeks, and how well it fits them.

    It learns multiples of the mean hour of the last 28 days, so that a year in which the whole
    business grew by two thirds teaches it hours and weather, and not the level.
    """
    from sklearn.ensemble import HistGradientBoostingRegressor

    seen = features.filter(pl.col("observed") & (pl.col("mean_28d") > 0))
    level = seen["mean_28d"].to_numpy()
    rentals = seen["rentals"].to_numpy()
    # Few and large trees: as good as many small ones, and three times as fast to load each day.
    model = HistGradientBoostingRegressor(
        max_iter=40,
        learning_rate=0.15,
        max_leaf_nodes=64,
        max_bins=32,
        early_stopping=False,
        random_state=0,
    )
    with one_thread():
        model.fit(inputs_of(seen), rentals / level, sample_weight=level)
        errors = abs(model.predict(inputs_of(seen)) * level - rentals)
    metrics = seen.select(
        first_day=pl.col("date").min(),
        last_day=pl.col("date").max(),
        hours=pl.len(),
        training_wape=pl.lit(errors.sum() / rentals.sum()),
        training_mae=pl.lit(errors.mean()),
    )
    return model, metrics


@task(reads={"model": demand_model.asof(), "features": features}, writes=forecast, batch=True)
def forecast_days(model: "HistGradientBoostingRegressor", features: pl.DataFrame) -> pl.DataFrame:
    """24 hours, forecast at midnight: with the day's features, but without its demand.

    Days that share a model are forecast together, so that it is loaded once a week.
    """
    known = features.drop(TARGET)
    with one_thread():
        multiple = pl.Series(model.predict(inputs_of(known))).clip(lower_bound=0)
    return known.select("date", "hour", forecast=multiple * known["mean_28d"])


def one_thread() -> AbstractContextManager[object]:
    """Keeps scikit-learn to one thread: `-j` fills the cores, and more would only queue."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits


def inputs_of(features: pl.DataFrame) -> pl.DataFrame:
    """What the model looks at, in its order."""
    return features.with_columns(trend=TREND).select(INPUTS).cast(pl.Float64)


@task(reads=[forecast, demand.window(-7, 0)], writes=forecast_error, batch=True)
def score_forecast(forecast: pl.DataFrame, demand: pl.DataFrame, days: Partition) -> pl.DataFrame:
    """Each day's errors over its observed hours; sums stand beside ratios, for longer spans.

    The naive forecast is the same hour of last week; where that hour is absent it says none,
    which is what an absent hour mostly means.
    """
    last_week = demand.select(
        pl.col("date") + pl.duration(days=7), "hour", naive=pl.col("rentals").fill_null(0)
    )
    hours = (
        dates(days)
        .join(demand.filter("observed"), on="date")
        .join(forecast, on=HOUR)
        .join(last_week, on=HOUR)
        .sort(HOUR)  # sums of floats depend on the order
        .select(
            "date",
            actual=pl.col("rentals").cast(pl.Float64),
            error=pl.col("forecast") - pl.col("rentals"),
            naive_error=pl.col("naive").cast(pl.Float64) - pl.col("rentals"),
        )
    )
    each_day = dates(days).join(hours, on="date", how="left", maintain_order="left_right")
    return each_day.group_by("date", maintain_order=True).agg(
        pl.col("actual").count().alias("observed_hours"),
        pl.col("actual").sum(),
        *errors_of("error", prefix=""),
        *errors_of("naive_error", prefix="naive_"),
    )


def errors_of(column: str, prefix: str) -> list[pl.Expr]:
    """Sum, WAPE, mean and bias of a column of errors; a forecast that is too high has bias > 0."""
    error = pl.col(column)
    return [
        error.abs().sum().alias(f"{prefix}absolute_error"),
        (error.abs().sum() / pl.col("actual").sum()).alias(f"{prefix}wape"),
        error.abs().mean().alias(f"{prefix}mae"),
        error.mean().alias(f"{prefix}bias"),
    ]


@effect(reads=[demand_model, model_metrics], only="latest")
def deployed_model(model: list[Path], metrics: pl.DataFrame, partition: Partition) -> None:
    """Puts the newest model with its own metrics into service, as `deployed/current/`."""
    about = {"week": partition.key, **metrics.drop("week").row(0, named=True)}
    files = {
        "demand_model.skops": model[0].read_bytes(),
        "metrics.json": json.dumps(about, default=str, indent=2).encode(),
    }
    switch_release(partition.key, files)
