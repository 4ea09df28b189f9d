"""Gradient-boosted trees, trained every week on the last 52.

scikit-learn takes a second to import, and every partflow command imports this module: so it is
imported where it is used.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from jobs.lessons import lessons
from jobs.linear import WEEKS
from jobs.threads import one_thread
from partflow import Dataset, task

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor

tree_model = Dataset(
    "tree_model",
    WEEKS,
    format="skops",
    # The one class in it that skops doesn't know; a file that holds any other is refused.
    trusted=("sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",),
    description="Predicts an hour's rentals as a multiple of the mean hour of the last 28 days",
)

# What the trees look at. Not the hour's mean on such days, which the linear model leans on: two
# models that err alike are worth little more than one.
INPUTS = (
    "hour",
    "weekday",
    "day_of_year",
    "holiday",
    "working_day",
    "christmas",
    "bridge",
    "beside_holiday",
    "temperature_c",
    "humidity_pct",
    "wind_kmh",
    "rain",
    "rain_around",
    "rain_of_day",
    "warmer",
    "trend",
)
# Few and large trees: as good as many small ones, and three times as fast to load.
SETTINGS = {"max_iter": 40, "learning_rate": 0.15, "max_leaf_nodes": 64, "max_bins": 32}
SEED = 0


@task(reads=[lessons.window(-51, 0)], writes=tree_model)
def train_tree_model(lessons: pl.DataFrame) -> "HistGradientBoostingRegressor":
    """A model of the last 52 weeks.

    It learns multiples of the mean hour of the last 28 days, so that a year in which the whole
    business grew by two thirds teaches it hours and weather, and not the level. It does not tell
    casual and registered rentals apart: that would double the training, and the mean of both models
    would be no better (bench/forecast_settings.py).
    """
    return fitted(fit_to_learn(lessons), SETTINGS)


def fitted(
    seen: pl.DataFrame, settings: Mapping[str, Any], inputs: tuple[str, ...] = INPUTS
) -> "HistGradientBoostingRegressor":
    """Trees of those hours; a large hour counts more, since a tenth of it is more bicycles."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    model = HistGradientBoostingRegressor(**settings, early_stopping=False, random_state=SEED)
    with one_thread():
        model.fit(
            inputs_of(seen, inputs),
            multiples_of(seen),
            sample_weight=seen["level"].to_numpy(),
        )
    return model


def fit_to_learn(lessons: pl.DataFrame) -> pl.DataFrame:
    """The hours with rentals in the days before, in order, with their level."""
    return lessons.with_columns(level=level()).filter(pl.col("level") > 0).sort("date", "hour")


def multiples_of(seen: pl.DataFrame) -> NDArray[np.float64]:
    """What the trees learn."""
    return ((seen["casual"] + seen["registered"]) / seen["level"]).to_numpy()


def predict(
    tree_model: "HistGradientBoostingRegressor",
    features: pl.DataFrame,
    inputs: tuple[str, ...] = INPUTS,
) -> pl.Series:
    """Rentals of each row of the features."""
    with one_thread():
        multiple = pl.Series(tree_model.predict(inputs_of(features, inputs)))
    return multiple.clip(lower_bound=0) * features.select(level()).to_series()


def level() -> pl.Expr:
    """Rentals of a mean hour of the last 28 days."""
    return pl.col("casual_28d") + pl.col("registered_28d")


def inputs_of(features: pl.DataFrame, inputs: tuple[str, ...] = INPUTS) -> NDArray[np.float64]:
    """What the trees look at: a row for each of the features, columns in that order."""
    trend = (pl.col("casual_7d") + pl.col("registered_7d")) / level()
    return features.with_columns(trend=trend).select(inputs).cast(pl.Float64).to_numpy()
