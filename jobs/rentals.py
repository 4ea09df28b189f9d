"""Rentals: fetched day by day from two systems, then cleaned."""

import polars as pl

from jobs import systems
from jobs.hours import DAYS, every_hour
from partflow import Dataset, Partition, task

RENTALS = {"hour": pl.Int64, "casual": pl.Int64, "registered": pl.Int64}

raw_rentals = Dataset(
    "raw_rentals",
    DAYS,
    schema=RENTALS,
    description="What the rental systems said, in the words of the newer one",
)
clean_rentals = Dataset(
    "clean_rentals",
    DAYS,
    schema={
        "hour": pl.Int8,
        "casual": pl.Int32,
        "registered": pl.Int32,
        "rentals": pl.Int32,
        "observed": pl.Boolean,
    },
    description="24 hours a day; counts are null in the hours that the source lacks",
)


# The rental system was replaced at the turn of the year: two tasks, one dataset.
@task(writes=raw_rentals, during=("2011-01-01", "2012-01-01"), retries=3, retry_delay="1s")
def fetch_rentals_from_old_system(partition: Partition) -> pl.DataFrame:
    """A day of the old system, whose columns have other names and whose numbers are text."""
    words = {systems.OLD_WORDS[ours]: type_ for ours, type_ in RENTALS.items()}
    rows = systems.as_frame(systems.rentals_of_old_system(partition.key), words)
    return rows.rename({theirs: ours for ours, theirs in systems.OLD_WORDS.items()}, strict=False)


@task(writes=raw_rentals, during=("2012-01-01", "2013-01-01"), retries=3, retry_delay="1s")
def fetch_rentals(partition: Partition) -> pl.DataFrame:
    """A day of the present system."""
    return systems.as_frame(systems.rentals(partition.key), RENTALS)


@task(reads=[raw_rentals], writes=clean_rentals, batch=True)
def tidy_rentals(raw: pl.DataFrame, days: Partition) -> pl.DataFrame:
    """Every hour once, in small types, with the total of both kinds of customers."""
    counts = raw.with_columns(
        pl.col("hour").cast(pl.Int8), pl.col("casual", "registered").cast(pl.Int32)
    )
    return every_hour(counts, days).select(
        "date",
        "hour",
        "casual",
        "registered",
        (pl.col("casual") + pl.col("registered")).alias("rentals"),
        "observed",
    )
