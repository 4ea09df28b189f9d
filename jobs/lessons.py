"""What models learn from: of each observed hour what was known before it, and what came of it.

The only place where features and demand of a day meet before the day is judged.
"""

import polars as pl

from jobs.demand import HOUR, demand
from jobs.features import CUSTOMERS, FEATURES, features
from partflow import Dataset, Weekly, task

lessons = Dataset(
    "lessons",
    Weekly("2011-01-03", "2013-01-01"),
    schema={"date": pl.Date, **FEATURES, **dict.fromkeys(CUSTOMERS, pl.Int32)},
    description="Features of the hours that were observed, and the rentals that there were",
)


@task(reads=[features, demand], writes=lessons)
def learn(features: pl.DataFrame, demand: pl.DataFrame) -> pl.DataFrame:
    """By the week, so that a model of 52 weeks opens 52 files and not 728."""
    seen = demand.filter("observed").select(*HOUR, *CUSTOMERS)
    return features.join(seen, on=HOUR).select("date", *FEATURES, *CUSTOMERS).sort(HOUR)
