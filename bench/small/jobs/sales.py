"""Three tasks over a year of days; SMALL_BATCH says how many days one call may make."""

from __future__ import annotations

import datetime as dt
import os

import polars as pl
from rules import FIRST, LAST, cleaned, totals, week_until

from partflow import Daily, Dataset, Partition, Source, task

BATCH = int(os.environ.get("SMALL_BATCH", "0")) or None
DAYS = Daily(str(FIRST), end=str(LAST + dt.timedelta(days=1)))

landing = Source("landing", DAYS, path="landing/{key}.parquet")
clean = Dataset("clean", DAYS)
week = Dataset("week", DAYS)
total = Dataset("total", DAYS)


@task(reads=[landing], writes=clean, batch=BATCH)
def clean_day(raw: pl.LazyFrame) -> pl.LazyFrame:
    """A day without what the tills cancelled."""
    return cleaned(raw)


@task(reads=[clean.window(-6, 0)], writes=week, batch=BATCH)
def trailing_week(sales: pl.LazyFrame, partition: Partition) -> pl.LazyFrame:
    """The seven days up to a day."""
    assert partition.date is not None
    assert partition.end is not None
    return week_until(sales, partition.date, partition.end.date() - dt.timedelta(days=1))


@task(reads=[clean], writes=total, batch=BATCH)
def day_total(sales: pl.LazyFrame) -> pl.LazyFrame:
    """A day in one row."""
    return totals(sales)
