"""A small warehouse in two versions of its source, and what readers may find of it.

Three days: cleaned (early cutoff), two outputs of one step, a running total that reads itself, one
that is made in batches, and an effect that is done again where it was cut off.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.dataset as ds

KEYS = ("2024-01-01", "2024-01-02", "2024-01-03")
DATASETS = ("clean", "counts", "sums", "running", "doubled")

JOBS = """
import polars as pl
from partflow import *

DAYS = Daily("2024-01-01", end="2024-01-04")
landing = Source("landing", DAYS, path="landing/{key}.csv")
clean = Dataset("clean", DAYS, schema={"store": pl.String, "qty": pl.Int64})
counts, sums = Dataset("counts", DAYS), Dataset("sums", DAYS)
running = Dataset("running", DAYS, schema={"qty": pl.Int64})
doubled = Dataset("doubled", DAYS)

@task(reads=[landing], writes=clean)
def clean_sales(raw: pl.DataFrame) -> pl.DataFrame:
    return raw.filter(pl.col("qty") > 0)

@task(reads=[clean], writes=[counts, sums])
def two_at_once(sales: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    return sales.group_by("store").len().sort("store"), sales.select(pl.col("qty").sum())

@task(reads={"sales": clean, "before": running.previous()}, writes=running)
def run_on(sales: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({"qty": [sales["qty"].sum() + sum(before["qty"].to_list())]})

@task(reads=[clean], writes=doubled, batch=3)
def double(sales: pl.DataFrame) -> pl.DataFrame:
    return sales.with_columns(pl.col("qty") * 2)

@effect(reads=[sums], idempotent=True)
def send(sums: pl.DataFrame, partition: Partition) -> None:
    with open("sent.txt", "a") as file:
        file.write(f"{partition.key} {sums['qty'].item()}\\n")
"""

# Of the second version the first day has other values, the second one more row that is dropped.
OLD = {KEYS[0]: "a,1\nb,2\n", KEYS[1]: "a,10\nb,20\n", KEYS[2]: "a,100\n"}
NEW = {KEYS[0]: "a,3\nb,2\n", KEYS[1]: "a,10\nb,20\nc,0\n", KEYS[2]: "a,100\nb,400\n"}

# What another run finds that takes over: the last day once more as it was, the first changed again.
NEWEST = NEW | {KEYS[0]: "a,7\n", KEYS[2]: "a,100\n"}

Read = Callable[[Path], pl.DataFrame]
Rows = tuple[tuple[object, ...], ...]
Content = dict[tuple[str, str], Rows]
"""The rows of each (dataset, key), sorted."""


def write_shop(root: Path) -> None:
    root.mkdir(parents=True)
    (root / "jobs").mkdir()
    (root / "jobs/__init__.py").write_text("")
    (root / "jobs/tasks.py").write_text(JOBS)
    (root / "partflow.toml").write_text("")
    write_source(root, OLD)


def write_source(root: Path, days: Mapping[str, str]) -> None:
    (root / "landing").mkdir(exist_ok=True)
    for key, rows in days.items():
        (root / f"landing/{key}.csv").write_text(f"store,qty\n{rows}")


def copied(template: Path, to: Path) -> Path:
    shutil.copytree(template, to)
    return to


RETRIED: list[str] = []
"""What polars said when it could not read, and then could."""


def found_by_readers(
    root: Path, tries: int = 1, kinds: Collection[str] | None = None
) -> Iterator[tuple[str, Content]]:
    """What each kind of reader sees of the whole warehouse, with the globs that people write.

    polars and DuckDB open a file twice, by its path: for the schema, then for the rows. If it was
    replaced in between, they say that they cannot read it; beside a run they have so many `tries`.
    """
    for how, read in READERS.items():
        if kinds is not None and how not in kinds:
            continue
        content: Content = {}
        for name in DATASETS:
            folder = root / "warehouse" / name
            if not list(folder.glob("*/*.parquet")):
                continue
            frame = _read(how, read, folder, 1 if how == "pyarrow" else tries)
            for (date,), rows in frame.partition_by("date", as_dict=True).items():
                content[name, str(date)] = tuple(sorted(rows.drop("date").rows()))
        yield how, content


def _read(how: str, read: Read, folder: Path, tries: int) -> pl.DataFrame:
    try:
        return read(folder)
    except (duckdb.Error, pl.exceptions.PolarsError, OSError, ValueError) as error:
        if tries == 1:
            raise AssertionError(f"{how} cannot read {folder.name}: {error}") from error
        RETRIED.append(str(error))
        return _read(how, read, folder, tries - 1)


def _duckdb(folder: Path) -> pl.DataFrame:
    with duckdb.connect() as connection:
        found = connection.sql(
            f"SELECT * FROM read_parquet('{folder}/**/*.parquet', hive_partitioning = true)"
        )
        return pl.from_arrow(found.to_arrow_table())


READERS = {
    "duckdb": _duckdb,
    "polars": lambda folder: pl.read_parquet(f"{folder}/**/*.parquet", hive_partitioning=True),
    "polars, one level": lambda folder: pl.read_parquet(
        f"{folder}/*/*.parquet", hive_partitioning=True
    ),
    "pyarrow": lambda folder: pl.from_arrow(
        ds.dataset(folder, format="parquet", partitioning="hive").to_table()
    ),
}
