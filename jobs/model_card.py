"""What is known of each week's models: what they learned from, how they did, what they look at."""

from datetime import date, timedelta
from typing import TYPE_CHECKING

import polars as pl

from jobs import tree
from jobs.candidates import candidate_error
from jobs.features import CUSTOMERS
from jobs.lessons import lessons
from jobs.linear import WEEKS, linear_model
from jobs.threads import one_thread
from jobs.tree import tree_model
from partflow import Dataset, Partition, task

if TYPE_CHECKING:
    from sklearn.ensemble import HistGradientBoostingRegressor

model_card = Dataset(
    "model_card",
    WEEKS,
    schema={
        "model": pl.String,
        "first_day": pl.Date,
        "last_day": pl.Date,
        "seed": pl.Int64,
        "wape": pl.Float64,
        "bias": pl.Float64,
        "wape_with_forecast_weather": pl.Float64,
        "looks_at": pl.List(pl.Struct({"name": pl.String, "weight": pl.Float64})),
    },
    description="A row for each model: its span, its errors over eight weeks, what it looks at",
)

MODELS = ("linear", "tree", "mean")
EARLIEST = date(2011, 1, 3)  # the first day of the first lessons


@task(
    reads={
        "linear": linear_model,
        "trees": tree_model,
        "candidate_error": candidate_error.window("-7w", "0d"),
        "lessons": lessons,
    },
    writes=model_card,
)
def describe_models(
    linear: pl.DataFrame,
    trees: "HistGradientBoostingRegressor",
    candidate_error: pl.DataFrame,
    lessons: pl.DataFrame,
    partition: Partition,
) -> pl.DataFrame:
    """The errors are out of sample: those of the models that were in use on those days."""
    assert partition.start is not None
    first = partition.start.date() - timedelta(weeks=51)
    looks_at = {"linear": coefficients(linear), "tree": importance(trees, lessons)}
    cards = pl.DataFrame(
        [
            {
                "model": model,
                "first_day": max(first, EARLIEST),
                "last_day": partition.start.date() + timedelta(days=6),
                "seed": tree.SEED if model == "tree" else None,
                "looks_at": looks_at.get(model, []),
            }
            for model in MODELS
        ]
    )
    return cards.join(errors(candidate_error), on="model", how="left", maintain_order="left")


def errors(candidate_error: pl.DataFrame) -> pl.DataFrame:
    """WAPE and bias with the weather that came, and WAPE with a forecast of it."""
    days = candidate_error.sort("date")
    came, foretold = days.filter(weather="actual"), days.filter(weather="forecast")
    wape = pl.col("absolute_error").sum() / pl.col("actual").sum()
    return (
        came.group_by("model")
        .agg(wape=wape, bias=pl.col("error").sum() / pl.col("actual").sum())
        .join(foretold.group_by("model").agg(wape_with_forecast_weather=wape), on="model")
    )


def coefficients(linear: pl.DataFrame) -> list[dict[str, object]]:
    """Of each term, for each kind of customers."""
    return [
        {"name": f"{name}: {term}", "weight": weight}
        for name in CUSTOMERS
        for term, weight in linear.select("term", name).iter_rows()
    ]


def importance(
    trees: "HistGradientBoostingRegressor", lessons: pl.DataFrame
) -> list[dict[str, object]]:
    """By how much the week would be fitted worse with the values of a column shuffled."""
    from sklearn.inspection import permutation_importance

    seen = tree.fit_to_learn(lessons)
    with one_thread():
        shuffled = permutation_importance(
            trees,
            tree.inputs_of(seen),
            tree.multiples_of(seen),
            scoring="neg_mean_absolute_error",
            n_repeats=1,
            random_state=tree.SEED,
        )
    return [
        {"name": name, "weight": weight}
        for name, weight in zip(tree.INPUTS, shuffled["importances_mean"].tolist(), strict=True)
    ]
