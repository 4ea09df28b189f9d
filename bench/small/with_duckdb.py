"""The same tables by three queries over all days, written by DuckDB's `COPY ... PARTITION_BY`."""

from __future__ import annotations

import os

import duckdb
from rules import FIRST, LAST

CLEAN = "select *, qty * price as cents from 'landing/*.parquet' where qty > 0"
WEEK = f"""
    with sold as (
        select date, store, sum(qty)::bigint as qty, sum(cents)::bigint as cents
        from 'made/clean/*/*.parquet' group by all
    )
    select day.day::date as date, store, sum(qty)::bigint as qty, sum(cents)::bigint as cents
    from sold join generate_series(date '{FIRST}', date '{LAST}', interval 1 day) as day(day)
        on date between day.day - interval 6 days and day.day
    group by all order by date, store
"""  # nosec B608 - dates of this benchmark
TOTAL = """
    select date, count(*)::uinteger as rows, sum(qty)::bigint as qty, sum(cents)::bigint as cents
    from 'made/clean/*/*.parquet' group by all
"""


def written(sql: str, dataset: str) -> None:
    """A folder for each day, as `date=2024-01-01`."""
    os.makedirs("made", exist_ok=True)
    duckdb.execute(f"copy ({sql}) to 'made/{dataset}' (format parquet, partition_by (date))")


if __name__ == "__main__":
    for dataset, sql in (("clean", CLEAN), ("week", WEEK), ("total", TOTAL)):
        written(sql, dataset)
