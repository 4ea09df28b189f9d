"""How wrong a forecast was, as sums over the observed hours: those of days add up to a month's.

Two ratios of such sums say most. WAPE, absolute errors ÷ demand, is how many rentals were misplaced
for each one that there was; bias, errors ÷ demand, is above zero where the forecast was too high.
"""

import polars as pl

ERRORS = {
    "observed_hours": pl.UInt32,
    "actual": pl.Float64,
    "absolute_error": pl.Float64,
    "error": pl.Float64,
}
INTERVAL_ERRORS = {
    "judged_hours": pl.UInt32,
    "held_hours": pl.UInt32,
    "pinball": pl.Float64,
}


def sums_of_errors(said: str) -> list[pl.Expr]:
    """Of that column against `actual`, which is null in the hours that were not observed."""
    error = pl.col(said) - pl.col("actual")
    return [
        pl.col("actual").count().alias("observed_hours"),
        pl.col("actual").sum().cast(pl.Float64),
        error.abs().sum().alias("absolute_error"),
        error.sum().alias("error"),
    ]


def sums_of_intervals() -> list[pl.Expr]:
    """Of `low` and `high` against `actual`, in the hours for which an interval was said.

    The pinball loss, of both ends together, is least where a tenth lies beyond each of them.
    """
    held = pl.col("actual").is_between("low", "high")
    below, above = pl.col("actual") - pl.col("low"), pl.col("actual") - pl.col("high")
    loss = pl.max_horizontal(0.1 * below, -0.9 * below) + pl.max_horizontal(
        0.9 * above, -0.1 * above
    )
    return [
        held.count().alias("judged_hours"),
        held.sum().alias("held_hours"),
        loss.sum().alias("pinball"),
    ]
