"""What each model says of each hour, with the weather that came and with a forecast of it."""

from typing import TYPE_CHECKING

import polars as pl

from jobs import linear, tree
from jobs.calendar import special
from jobs.demand import HOUR, demand
from jobs.errors import ERRORS, sums_of_errors
from jobs.features import CUSTOMERS, baseline, features, with_weather
from jobs.linear import linear_model
from jobs.tree import tree_model
from jobs.weather_forecast import weather_forecast
from partflow import Daily, Dataset, task

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor

# The first models are those of the week before.
FORECAST_DAYS = Daily("2011-03-07", "2013-01-01")

CANDIDATES = {
    "hour": pl.Int8,
    "model": pl.String,
    "weather": pl.String,
    "trained": pl.Date,
    "casual": pl.Float64,
    "registered": pl.Float64,
    "rentals": pl.Float64,
}
candidates = Dataset(
    "candidates",
    FORECAST_DAYS,
    schema=CANDIDATES,
    description="Rentals to expect by hour, model and weather; the models' week is in `trained`",
)
candidate_error = Dataset(
    "candidate_error",
    FORECAST_DAYS,
    schema={
        "model": pl.String,
        "weather": pl.String,
        "special": pl.Boolean,
        **ERRORS,
    },
    description="Sums over the observed hours of each day: how wrong each model was",
)


@task(
    reads={
        "linear": linear_model.asof(),
        "tree": tree_model.asof(),
        "features": features,
        "baseline": baseline,
        "weather_forecast": weather_forecast,
    },
    writes=candidates,
    batch=7,  # a week shares its models: a batch ends where the trees change, and both change then
)
def list_candidates(
    linear: pl.DataFrame,
    tree: "HistGradientBoostingRegressor",
    features: pl.DataFrame,
    baseline: pl.DataFrame,
    weather_forecast: pl.DataFrame,
) -> pl.DataFrame:
    """The baseline, which asks no weather, both models, and their mean."""
    expected = baseline.select(*HOUR, *CUSTOMERS, rentals=pl.sum_horizontal(CUSTOMERS))
    said = [expected.with_columns(model=pl.lit("baseline"), weather=pl.lit("none"))]
    weathers = {"actual": features, "forecast": with_weather(features, weather_forecast)}
    for weather, known in weathers.items():
        models = models_of(linear, tree, known.sort(HOUR))
        said += [each.with_columns(weather=pl.lit(weather)) for each in models]
    return (
        pl.concat(said, how="diagonal")
        .with_columns(trained=pl.when(pl.col("model") != "baseline").then(linear["week"][0]))
        .select("date", *CANDIDATES)
        .sort("date", "weather", "model", "hour")
    )


def models_of(
    linear_model: pl.DataFrame, tree_model: "HistGradientBoostingRegressor", known: pl.DataFrame
) -> list[pl.DataFrame]:
    """Both models and their mean; only the linear one tells casual and registered apart."""
    parts = pl.concat([known.select(HOUR), linear.predict(linear_model, known)], how="horizontal")
    by_linear = parts.with_columns(rentals=pl.sum_horizontal(CUSTOMERS))
    by_tree = known.select(HOUR).with_columns(tree.predict(tree_model, known).alias("rentals"))
    mean = known.select(HOUR).with_columns(rentals=(by_linear["rentals"] + by_tree["rentals"]) / 2)
    named = {"linear": by_linear, "tree": by_tree, "mean": mean}
    return [frame.with_columns(model=pl.lit(name)) for name, frame in named.items()]


@task(reads=[candidates, baseline, features, demand], writes=candidate_error, batch=True)
def score_candidates(
    candidates: pl.DataFrame, baseline: pl.DataFrame, features: pl.DataFrame, demand: pl.DataFrame
) -> pl.DataFrame:
    """Each day's errors over its observed hours; sums, so that longer spans add up."""
    naive = baseline.select(*HOUR, model=pl.lit("naive"), weather=pl.lit("none"), rentals="naive")
    said = pl.concat([candidates.select(naive.columns), naive])
    kinds = features.select(*HOUR, special=special())
    return (
        said.join(demand.select(*HOUR, actual=pl.col("rentals")), on=HOUR)
        .join(kinds, on=HOUR)
        .sort("date", "weather", "model", "hour")  # sums of floats depend on the order
        .group_by("date", "model", "weather", "special", maintain_order=True)
        .agg(sums_of_errors("rentals"))
    )
