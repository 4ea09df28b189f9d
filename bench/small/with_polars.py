"""The same tables by three queries over all days, written by polars' partitioned sinks.

The limit of what any way to make them can be: no partition by itself, no sync, no record.
"""

from __future__ import annotations

import polars as pl
from byhand import days, path
from rules import FIRST, LAST, cleaned, totals, week_until


def written(frame: pl.LazyFrame, dataset: str) -> None:
    """A folder for each day, as `date=2024-01-01`."""
    by_day = pl.PartitionBy(f"made/{dataset}", key="date", include_key=False)
    frame.sink_parquet(by_day, mkdir=True)


if __name__ == "__main__":
    written(cleaned(pl.scan_parquet([path("landing", day) for day in days()])), "clean")
    clean = pl.scan_parquet(
        "made/clean/*/*.parquet", hive_partitioning=True, try_parse_hive_dates=True
    )
    written(week_until(clean, FIRST, LAST), "week")
    written(totals(clean), "total")
