"""What is computed: the same three functions for partflow, the loop and every other contestant.

Knows nothing of files. Amounts are whole cents, so that any order of adding gives the same sums.
"""

from __future__ import annotations

import datetime as dt
import os

import polars as pl

DAYS = int(os.environ.get("SMALL_DAYS", "365"))
FIRST = dt.date(2024, 1, 1)
LAST = FIRST + dt.timedelta(days=DAYS - 1)
"""The days of the workload, both inclusive."""


def cleaned(raw: pl.LazyFrame) -> pl.LazyFrame:
    """The sales that took place, with what each came to."""
    return raw.filter(pl.col("qty") > 0).with_columns(cents=pl.col("qty") * pl.col("price"))


def week_until(sales: pl.LazyFrame, first: dt.date, last: dt.date) -> pl.LazyFrame:
    """What each store sold in the seven days up to each day from `first` to `last`.

    For one day the frame is that week, and nothing need be said of dates; for several each day of
    a store counts for seven.
    """
    sold = pl.col("qty", "cents").sum()
    if first == last:
        return sales.group_by("store").agg(sold).sort("store")
    days = sales.group_by("date", "store").agg(sold)
    until = pl.date_ranges("date", pl.col("date") + pl.duration(days=6))
    spread = days.with_columns(date=until).explode("date")
    wanted = spread.filter(pl.col("date").is_between(first, last))
    return wanted.group_by("date", "store").agg(sold).sort("date", "store")


def totals(sales: pl.LazyFrame) -> pl.LazyFrame:
    """What was sold on each day."""
    return sales.group_by("date").agg(pl.len().alias("rows"), pl.col("qty", "cents").sum())
