"""What was first said of a day, and what that was worth.

`forecast` is made again where yesterday's count is corrected. Nobody lived through that forecast:
`issued` is made once, when its inputs are there, and kept. So `live_error` changes only where the
count of the day itself is corrected.

Made once is not made in time: partflow makes a day after it has ended, so this is midnight by what
is read and not by the clock; and what fills two years at once issues what it would forecast today.
"""

import polars as pl

from jobs.calendar import special
from jobs.candidates import FORECAST_DAYS
from jobs.demand import HOUR, demand
from jobs.errors import ERRORS, INTERVAL_ERRORS, sums_of_errors, sums_of_intervals
from jobs.features import features
from jobs.forecast import FORECAST, forecast
from partflow import Dataset, task

issued = Dataset(
    "issued",
    FORECAST_DAYS,
    schema=FORECAST,
    description="The forecast of the day as it was first made",
)
live_error = Dataset(
    "live_error",
    FORECAST_DAYS,
    schema={
        "weather": pl.String,
        "special": pl.Boolean,
        **ERRORS,
        **INTERVAL_ERRORS,
    },
    description="How wrong the issued forecast was: sums over the observed hours",
)


@task(reads=[forecast], writes=issued, batch=True, on_code_change="keep", on_input_change="keep")
def issue(forecast: pl.LazyFrame) -> pl.LazyFrame:
    """Made once and kept, whatever becomes of the demand and the code that it was made from."""
    return forecast


@task(reads=[issued, features, demand], writes=live_error, batch=True)
def score_issued(
    issued: pl.DataFrame, features: pl.DataFrame, demand: pl.DataFrame
) -> pl.DataFrame:
    """Each day's errors, and how many of its hours lay between low and high."""
    return (
        issued.join(demand.select(*HOUR, actual=pl.col("rentals")), on=HOUR)
        .join(features.select(*HOUR, special=special()), on=HOUR)
        .sort("date", "weather", "hour")
        .group_by("date", "weather", "special", maintain_order=True)
        .agg(*sums_of_errors("forecast"), *sums_of_intervals())
    )
