"""Small tables whose tasks carry partflow's own classes and objects, and what may be unfinished."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime

import polars as pl

from partflow import (
    Cron,
    Daily,
    Dataset,
    Every,
    Hourly,
    Monthly,
    PartflowError,
    Partition,
    Project,
    Source,
    Weekly,
    Whole,
    effect,
    sql_file,
    task,
)

NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = Daily("2024-01-01", end="2024-01-04")
CLASSES = (
    Cron, Daily, Dataset, Every, Hourly, Monthly, Partition, PartflowError, Project, Source, Weekly,
    Whole, effect, sql_file, task,
)  # fmt: skip

sales = Source("sales", DAYS, path="landing/sales/{key}.csv", schema={"n": pl.Int64})
clean = Dataset("clean", DAYS)


@task(reads=[sales], writes=clean)
def clean_sales(rows: pl.DataFrame) -> pl.DataFrame:
    """Plain code."""
    return rows


def carrying(name: str, value: object) -> Callable[..., pl.DataFrame]:
    """A task whose function carries a value along."""

    @task(reads=[clean], writes=Dataset(name, DAYS), name=f"make_{name}")
    def carry(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(size=pl.lit(len(str(type(value)) and "carried")))

    return carry


CARRYING = [
    *(carrying(f"by_{each.__name__.lower()}", each) for each in CLASSES),
    carrying("with_partition", Partition("2024-01-01", NEW_YEAR, NEW_YEAR, NEW_YEAR.date())),
    carrying("with_grains", {"days": DAYS, "months": Monthly("2024-01-01")}),
    carrying("with_datasets", (clean, clean.previous(), sales)),
]


@task(reads=[clean], writes=Dataset("brittle", DAYS))
def brittle(rows: pl.DataFrame, partition: Partition) -> pl.DataFrame:
    """Fails on one day while something is broken."""
    if partition.key == "2024-01-02" and os.environ.get("BROKEN"):
        raise ValueError("broken")
    return rows


@task(reads=[clean], writes=Dataset("edited", DAYS))
def edited(rows: pl.DataFrame) -> pl.DataFrame:
    """Of this one, somebody edits a file by hand, and that is accepted."""
    return rows


@task(reads=[clean], writes=Dataset("put_back", DAYS))
def put_back(rows: pl.DataFrame) -> pl.DataFrame:
    """Of this one, an older state is put back."""
    return rows.with_columns(twice=pl.col("n") * 2)


@effect(reads=[clean])
def sent(rows: pl.DataFrame) -> None:
    """Sends nothing."""
