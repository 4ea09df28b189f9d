"""One partition as one makes it by hand: read the files, call, write beside, rename.

The loop, Luigi and doit share it; what differs is who calls it. Nothing is synced to disk.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator

import polars as pl
from rules import FIRST, LAST, cleaned, totals, week_until

MADE = ("clean", "week", "total")
DAY = dt.timedelta(days=1)


def days() -> Iterator[dt.date]:
    """Every day of the workload."""
    return (FIRST + n * DAY for n in range((LAST - FIRST).days + 1))


def path(dataset: str, day: dt.date) -> str:
    """Where a dataset has a day."""
    return f"landing/{day}.parquet" if dataset == "landing" else f"made/{dataset}/{day}.parquet"


def inputs(dataset: str, day: dt.date) -> list[str]:
    """The files that a partition is made from, in order of day."""
    if dataset == "week":
        return [path("clean", day - n * DAY) for n in range(min(6, (day - FIRST).days), -1, -1)]
    return [path("landing" if dataset == "clean" else "clean", day)]


def make(dataset: str, day: dt.date) -> None:
    """Make one partition; its folder is there."""
    frame = pl.scan_parquet(inputs(dataset, day))
    if dataset == "clean":
        found = cleaned(frame)
    elif dataset == "week":
        found = week_until(frame, day, day)
    else:
        found = totals(frame)
    target = path(dataset, day)
    found.collect().write_parquet(target + ".tmp")
    os.replace(target + ".tmp", target)


def make_folders() -> None:
    """The folders of what is made."""
    for dataset in MADE:
        os.makedirs(f"made/{dataset}", exist_ok=True)
