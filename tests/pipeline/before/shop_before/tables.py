"""Small tables of each kind, as a user wrote them before the rules of reading text had a number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, singledispatch
from pathlib import Path

import duckdb
import polars as pl

from partflow import Daily, Dataset, Hourly, Monthly, Partition, Source, Whole, effect, task

DAYS = Daily("2024-01-01", end="2024-01-04")
HOURS = Hourly("2024-01-01", end="2024-01-01T03:00", tz="America/New_York")

# Sources, by what text they hold.
dates = Source("american_dates", DAYS, path="landing/dates/{key}.csv")
weather = Source("weather", DAYS, path="landing/weather/{key}.csv")
codes = Source("codes", DAYS, path="landing/codes/{key}.csv")
stock = Source(
    "stock",
    DAYS,
    path="landing/stock/{key}.csv",
    schema={"shop": pl.String, "qty": pl.Int64, "price": pl.Float64},
)
visits = Source("visits", DAYS, path="landing/visits/{key}.parquet")


@task(reads=[dates], writes=Dataset("by_date", DAYS))
def by_date(rows: pl.DataFrame) -> pl.DataFrame:
    """Takes text that looks like dates but is not ISO."""
    return rows


@task(reads=[weather], writes=Dataset("warm", DAYS))
def warm(rows: pl.DataFrame) -> pl.DataFrame:
    """Takes text of which every value is typed as before."""
    return rows.filter(pl.col("temperature") > 0)


@task(reads=[codes], writes=Dataset("by_code", DAYS))
def by_code(rows: pl.DataFrame) -> pl.DataFrame:
    """Takes numbers with leading zeros."""
    return rows


@task(reads=[stock], writes=Dataset("in_stock", DAYS))
def in_stock(rows: pl.DataFrame) -> pl.DataFrame:
    """Takes a file whose last line was cut off, on the third day."""
    return rows


daily_visits = Dataset("daily_visits", DAYS)


@lru_cache(maxsize=1)
def least() -> int:
    """A helper under a decorator of the standard library."""
    return 1


@task(reads=[visits], writes=daily_visits)
def count_visits(rows: pl.DataFrame) -> pl.DataFrame:
    """Plain code over Parquet."""
    return rows.filter(pl.col("n") >= least())


@task(reads=[daily_visits], writes=Dataset("monthly_visits", Monthly("2024-01-01", "2024-02-01")))
def monthly(rows: pl.LazyFrame) -> pl.LazyFrame:
    """A month of the days that are declared."""
    return rows.select(pl.col("n").sum())


@task(reads=[daily_visits], writes=Dataset("all_visits", Whole()))
def all_visits(rows: pl.DataFrame) -> pl.DataFrame:
    """All days in one."""
    return rows.select(pl.col("n").sum())


@task(writes=Dataset("drifted", DAYS))
def drifted(partition: Partition) -> pl.DataFrame:
    """Whole numbers on the first day, decimals later: no schema says which."""
    return pl.DataFrame({"x": [1] if partition.key == "2024-01-01" else [2.5]})


@singledispatch
def size(value: object) -> int:
    """A helper whose implementations stand beside it."""
    return 0


@size.register(int)
def _(value: int) -> int:
    return value + 1


@task(writes=Dataset("sized", DAYS))
def sized() -> pl.DataFrame:
    """Calls what is registered under a decorator."""
    return pl.DataFrame({"size": [size(4)]})


def plain(function):
    """A decorator of the project's own that leaves annotations alone."""
    return function


@plain
def doubled(n: int) -> int:
    """Twice as much."""
    return 2 * n


@task(writes=Dataset("decorated", DAYS))
def decorated() -> pl.DataFrame:
    """Calls what the project's own decorator gave back."""
    return pl.DataFrame({"n": [doubled(4)]})


@task(writes=Dataset("from_duckdb", DAYS))
def from_duckdb() -> duckdb.DuckDBPyRelation:
    """Returns a relation."""
    return duckdb.sql("select 1 as one")


orders = Dataset("orders", HOURS)


@task(writes=orders)
def hourly_orders(partition: Partition) -> pl.DataFrame:
    """Hours that nobody's column was read for."""
    return pl.DataFrame({"n": [partition.start.hour]})


@task(reads=[orders], writes=Dataset("order_hours", HOURS))
def order_hours(rows: pl.DataFrame) -> pl.DataFrame:
    """Reads the column `hour`."""
    return rows.select("n", day=pl.col("hour").dt.date())


@task(reads=[orders], writes=Dataset("order_sizes", HOURS))
def order_sizes(paths: list[Path]) -> pl.DataFrame:
    """Reads files, which have no such column."""
    return pl.DataFrame({"n": [len(paths)]})


@dataclass(frozen=True)
class Rates:
    """A value of the project's own."""

    vat: float = 0.19


RATES = Rates()


@task(reads=[daily_visits], writes=Dataset("taxed", DAYS))
def taxed(rows: pl.DataFrame) -> pl.DataFrame:
    """Uses an object of a class of the project."""
    return rows.select(pl.col("n") * RATES.vat)


@effect(reads=[daily_visits])
def sent(rows: pl.DataFrame) -> None:
    """Sends nothing."""
