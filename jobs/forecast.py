"""The forecast: the mean of both models, put right by the last days' error, with an interval.

The mean is multiplied by what the last 14 days came to, as a share of what was forecast of them.
Low and high are to hold 80 % of the hours. They come from the relative errors of the last 84 days,
by block of hours: a tenth is left out on each side; less than that where more fell outside lately,
and more where less did.

All of it is worked out anew from the 126 days before: 14 for the correction of the first error, 84
of errors, 28 in which the tails move. So a forecast is made of models and demand, and of no other
forecast, and a call can make many days.
"""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from jobs.candidates import FORECAST_DAYS, candidates
from jobs.demand import HOUR, demand
from jobs.hours import dates
from jobs.linear import BLOCKS
from partflow import Dataset, Partition, task

FORECAST = {
    "hour": pl.Int8,
    "weather": pl.String,
    "forecast": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
}
forecast = Dataset(
    "forecast",
    FORECAST_DAYS,
    schema=FORECAST,
    description="Rentals to expect, and between what four hours of five are to lie",
)

CORRECTED_BY = 14
POWER = 0.6  # a part of what the last days were off by was chance
ERRORS_OF = 84
FEWEST = 20  # errors of a block of hours, before an interval is said
TAILS_OF = 28
TAIL = 0.1
PACE = 0.1

# A row for each day and a column for each hour, or one day's hours; NaN where nothing is known.
Hours = NDArray[np.float64]
# Sorted shares actual ÷ forecast of each block of hours.
Errors = list[NDArray[np.float64]]


@task(
    reads={"candidates": candidates.window(-126, 0), "demand": demand.window(-126, -1)},
    writes=forecast,
    batch=True,
)
def forecast_days(candidates: pl.DataFrame, demand: pl.DataFrame, days: Partition) -> pl.DataFrame:
    """The days' hours, with the weather that came and with a forecast of it."""
    actual = demand.select(*HOUR, actual=pl.col("rentals").cast(pl.Float64))
    means = candidates.filter(model="mean").join(actual, on=HOUR, how="left").sort(HOUR)
    weathers = means.partition_by("weather", maintain_order=True)
    made = [forecast_last(dates(days).height, hours, PACE) for hours in weathers]
    return pl.concat(made).sort("date", "weather", "hour")


def forecast_last(days: int, hours: pl.DataFrame, pace: float) -> pl.DataFrame:
    """So many days at the end of the frame, each out of the days before it."""
    mean, actual = by_day(hours["rentals"]), by_day(hours["actual"])
    first, after = len(mean) - days, len(mean)
    middle = corrected(mean, actual, POWER)
    errors = {
        day: errors_before(day, middle, actual) for day in range(max(first - TAILS_OF, 0), after)
    }
    limits = []
    for day in range(first, after):
        tails = np.array([TAIL, TAIL])
        for past in range(max(day - TAILS_OF, 0), day):
            limits_then = interval(middle[past], errors[past], tails)
            tails = moved(tails, limits_then, actual[past], pace)
        limits.append(interval(middle[day], errors[day], tails))
    low, high = np.array(limits).swapaxes(0, 1)
    said = {"forecast": middle[first:], "low": low, "high": high}
    columns = [pl.Series(name, each.ravel()).fill_nan(None) for name, each in said.items()]
    return hours.tail(24 * days).select(*HOUR, "weather").with_columns(columns)


def by_day(hours: pl.Series) -> Hours:
    """The hours of whole days."""
    return hours.fill_null(np.nan).to_numpy().reshape(-1, 24)


def corrected(mean: Hours, actual: Hours, power: float) -> Hours:
    """Each day's mean times a power of actual ÷ forecast over the days before it."""
    factors = np.ones((len(mean), 1))
    for day in range(len(mean)):
        past = slice(max(day - CORRECTED_BY, 0), day)
        seen = ~np.isnan(actual[past])
        if seen.any():
            share = actual[past][seen].sum() / max(mean[past][seen].sum(), 1.0)
            factors[day] = np.clip(share**power, 0.5, 2.0)
    return mean * factors


def errors_before(day: int, middle: Hours, actual: Hours) -> Errors:
    """What came of the days before, as a share of what was forecast."""
    past = slice(max(day - ERRORS_OF, 0), day)
    shares = actual[past] / np.maximum(middle[past], 1.0)
    blocks = [shares[:, first : last + 1].ravel() for first, last in BLOCKS.values()]
    return [np.sort(block[~np.isnan(block)]) for block in blocks]


def interval(middle: Hours, errors: Errors, tails: NDArray[np.float64]) -> Hours:
    """A day's low and high: that share of the errors lies below the one and above the other."""
    shares = np.full((2, 24), np.nan)
    for (first, last), block in zip(BLOCKS.values(), errors, strict=True):
        if len(block) >= FEWEST:
            ranks = np.array([tails[0], 1 - tails[1]]) * (len(block) - 1)
            shares[:, first : last + 1] = block[ranks.round().astype(int), np.newaxis]
    return shares * middle


def moved(
    tails: NDArray[np.float64], limits: Hours, actual: Hours, pace: float
) -> NDArray[np.float64]:
    """The tails after a day: smaller where more of its hours fell outside than were to."""
    low, high = limits
    seen = ~np.isnan(actual) & ~np.isnan(low)
    if not seen.any():
        return tails
    outside = np.array([(actual < low)[seen].mean(), (actual > high)[seen].mean()])
    return np.clip(tails + pace * (TAIL - outside), 0.01, 0.25)
