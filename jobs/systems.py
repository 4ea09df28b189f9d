"""The client of the two systems that the business has: one knows rentals, one knows weather.

Knows their words and where they are; knows nothing of datasets. Without DEMAND_RENTALS_URL and
DEMAND_WEATHER_URL it plays both systems from the bundled files (see `data/SOURCE.md`).
"""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

Rows = list[dict[str, Any]]

BUNDLED = Path(__file__).parent / "data"
FIRST = "2011-01-01"

# What the old system of rentals calls things.
OLD_WORDS = {"date": "day", "hour": "hr", "casual": "cnt_casual", "registered": "cnt_registered"}


def rentals(day: str) -> Rows:
    """That day's rentals by hour."""
    url = os.environ.get("DEMAND_RENTALS_URL")
    return fetched(url, day) if url else bundled("rentals", day).to_dicts()


def rentals_of_old_system(day: str) -> Rows:
    """That day's rentals by hour, in the words of the system in use until the end of 2011."""
    url = os.environ.get("DEMAND_RENTALS_URL")
    if url:
        return fetched(url, day)
    return bundled("rentals", day).rename(OLD_WORDS).cast(pl.String).to_dicts()


def weather(day: str) -> Rows:
    """That day's weather by hour."""
    url = os.environ.get("DEMAND_WEATHER_URL")
    return fetched(url, day) if url else bundled("weather", day).to_dicts()


def fetched(url: str, day: str) -> Rows:
    """What an HTTP system answers for a day; a refusal is an error, and the task tries again."""
    import httpx  # only who asks over HTTP waits for this import

    answer = httpx.get(f"{url.rstrip('/')}/{day}", timeout=10.0)
    answer.raise_for_status()
    rows: Rows = answer.json()
    return rows


def bundled(name: str, day: str) -> pl.DataFrame:
    """The same out of a bundled file."""
    return days_of(name).get(day, days_of(name)[FIRST].clear())


@cache
def days_of(name: str) -> dict[str, pl.DataFrame]:
    """A bundled file's rows by day; read once, since a run asks for every day of it."""
    rows = pl.read_parquet(BUNDLED / f"{name}.parquet")
    texts = rows.with_columns(pl.col("date").dt.to_string("%Y-%m-%d"))
    days = texts.partition_by("date", as_dict=True, maintain_order=True)
    return {str(day): frame for (day,), frame in days.items()}


def as_frame(rows: Rows, schema: Mapping[str, Any]) -> pl.DataFrame:
    """The named columns of what a system said, typed; what is missing or no number is an error."""
    if not rows:
        return pl.DataFrame(schema=schema)
    said = pl.DataFrame(rows, infer_schema_length=None)
    return said.select(pl.col(column).cast(type_) for column, type_ in schema.items())
