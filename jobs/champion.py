"""Which model is in service: the mean at first, another only where it did clearly better."""

import polars as pl

from jobs.candidates import candidate_error
from jobs.linear import WEEKS
from partflow import Dataset, task

CHAMPION = {
    "model": pl.String,
    "wape": pl.Float64,
    "bias": pl.Float64,
    "in_service": pl.Boolean,
}
champion = Dataset(
    "champion",
    WEEKS,
    schema=CHAMPION,
    description="Each model's error over eight weeks, and which one is in service from then on",
)

FIRST = "mean"
MODELS = ("baseline", "linear", "tree", "mean")
BETTER_BY = 0.02


@task(reads=[candidate_error.window("-7w", "0d"), champion.previous().optional()], writes=champion)
def choose_champion(candidate_error: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """The one of the week before stays, unless another's WAPE is 2 % lower.

    Errors of two models over eight weeks differ by chance alone: without that margin they would
    take turns.
    """
    errors = errors_of(candidate_error)
    in_service = before.filter("in_service")["model"].to_list()
    holder = in_service[0] if in_service else FIRST
    wapes = dict(errors.select("model", "wape").iter_rows())
    best = min(wapes, key=lambda model: wapes[model], default=holder)
    chosen = best if wapes and wapes[best] < (1 - BETTER_BY) * wapes[holder] else holder
    return errors.with_columns(in_service=pl.col("model") == chosen)


def errors_of(candidate_error: pl.DataFrame) -> pl.DataFrame:
    """WAPE and bias of each model over those days, with the weather that came."""
    judged = candidate_error.filter(
        pl.col("model").is_in(MODELS), pl.col("weather").is_in(["none", "actual"])
    )
    sums = (
        judged.sort("date").group_by("model").agg(pl.col("actual", "absolute_error", "error").sum())
    )
    return sums.select(
        "model",
        wape=pl.col("absolute_error") / pl.col("actual"),
        bias=pl.col("error") / pl.col("actual"),
    ).sort("model")
