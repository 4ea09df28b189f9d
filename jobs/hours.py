"""Brings the hours of each day into order: 24 rows, each hour once.

Knows nothing of what was measured in them.
"""

import polars as pl

from partflow import Daily, Partition

# The data's hours are labels on a clock without a zone, so a day is cut in UTC and has 24 of them.
DAYS = Daily("2011-01-01", "2013-01-01")


def every_hour(rows: pl.DataFrame, days: Partition) -> pl.DataFrame:
    """The 24 hours of each of the days, with `observed` saying whether the hour was there at all.

    Of an hour that came more than once the last row counts: systems correct what they sent. What
    was not there is null, not zero, because nobody knows whether nothing happened or nobody looked.
    """
    strange = rows.filter(~pl.col("hour").is_between(0, 23))
    if not strange.is_empty():
        raise ValueError(f"these hours are not on a clock: {strange['hour'].to_list()}")
    once = rows.unique(("date", "hour"), keep="last").with_columns(observed=pl.lit(value=True))
    return (
        hours_of(days)
        .join(once, on=("date", "hour"), how="left", maintain_order="left")
        .with_columns(pl.col("observed").fill_null(value=False))
    )


def hours_of(days: Partition) -> pl.DataFrame:
    """The 24 hours of each of the dates that a call is to make."""
    return dates(days).join(
        pl.DataFrame({"hour": range(24)}, schema={"hour": pl.Int8}), how="cross"
    )


def dates(days: Partition) -> pl.DataFrame:
    """The dates that a call is to make: one, or those of a batch."""
    assert days.start is not None
    assert days.end is not None  # only the partition of a `Whole` dataset has neither
    first, after = days.start.date(), days.end.date()
    return pl.date_range(first, after, closed="left", eager=True).alias("date").to_frame()
