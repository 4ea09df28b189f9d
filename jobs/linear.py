"""A linear model by normal equations: a week's moments, and their sum over 52 weeks solved.

It predicts the logarithm of casual and of registered rentals an hour, as a multiple of their mean
hour of the last 28 days, by ridge regression. Moments of weeks add up, so that training is a solve
of 44 equations. Where a day is corrected, the moments of its week are made again, and those of the
four weeks whose features look back at it.
"""

import numpy as np
import polars as pl

from jobs.features import CUSTOMERS
from jobs.lessons import lessons
from jobs.threads import one_thread
from partflow import Dataset, Weekly, task

# The first model is trained when there are nine weeks to learn from.
WEEKS = Weekly("2011-02-28", "2013-01-01")

BLOCKS = {
    "night": (0, 5),
    "morning": (6, 9),
    "midday": (10, 15),
    "evening": (16, 19),
    "late": (20, 23),
}
RIDGE = 300.0


def terms() -> dict[str, pl.Expr]:
    """What the model adds up, by name; each is about as large as one."""
    warmth, warmer = pl.col("temperature_c") / 10 - 1.5, pl.col("warmer") / 10
    damp = ((pl.col("humidity_pct") - 60) / 20).fill_null(0)  # the hygrometer can be off for a day
    season = 4 * np.pi * pl.col("day_of_year") / 365.25
    return {
        "one": pl.lit(1.0),
        **{f"{name}_expected": log_ratio(f"{name}_expected", f"{name}_28d") for name in CUSTOMERS},
        **{f"{name}_trend": log_ratio(f"{name}_7d", f"{name}_28d") for name in CUSTOMERS},
        "warmer": warmer,
        "warmer_squared": warmer * warmer,
        "warmth": warmth,
        "warmth_squared": warmth * warmth,
        "warmth_cubed": warmth * warmth * warmth,
        "damp": damp,
        "damp_squared": damp * damp,
        "damp_warmth": damp * warmth,
        "wind": pl.col("wind_kmh") / 10 - 1,
        "rain": pl.col("rain") >= 2,
        "rain_around": pl.col("rain_around"),
        "rain_of_day": pl.col("rain_of_day"),
        "holiday": pl.col("holiday"),
        "christmas": pl.col("christmas"),
        "christmas_off": pl.col("christmas") & ~pl.col("working_day"),
        "beside_holiday": pl.col("beside_holiday"),
        "bridge": pl.col("bridge"),
        "half_year_sine": season.sin(),
        "half_year_cosine": season.cos(),
        **terms_of_blocks(),
    }


def terms_of_blocks() -> dict[str, pl.Expr]:
    """How days that differ from others of their kind do so: by block of hours."""
    days = {
        "day_off": pl.col("holiday") | pl.col("bridge"),
        "monday": pl.col("weekday") == 1,
        "friday": pl.col("weekday") == 5,
        "saturday": pl.col("weekday") == 6,
    }
    return {
        f"{day}_{block}": is_day & pl.col("hour").is_between(first, last)
        for day, is_day in days.items()
        for block, (first, last) in BLOCKS.items()
    }


def log_ratio(column: str, to: str) -> pl.Expr:
    """Zero where both are the same; ones are added because a night can have no rentals at all."""
    return ((pl.col(column) + 1) / (pl.col(to) + 1)).log()


TERMS = tuple(terms())

moments = Dataset(
    "moments",
    lessons.grain,
    schema={"term": pl.String, **dict.fromkeys((*TERMS, *CUSTOMERS), pl.Float64)},
    description="A week's weighted sums of products of terms, and of terms and what they explain",
)
linear_model = Dataset(
    "linear_model",
    WEEKS,
    schema={"term": pl.String, **dict.fromkeys(CUSTOMERS, pl.Float64)},
    description="Coefficients of the log-linear model for each kind of customers",
)


@task(reads=[lessons], writes=moments)
def sum_moments(lessons: pl.DataFrame) -> pl.DataFrame:
    """The week's hours, each weighted by the rentals that one would expect in it."""
    seen = lessons.drop_nulls()
    targets = seen.select(log_ratio(name, f"{name}_28d").alias(name) for name in CUSTOMERS)
    weight = pl.sum_horizontal(f"{name}_expected" for name in CUSTOMERS) + 10
    rows = matrix_of(seen)
    weighted = rows * seen.select(weight).to_numpy()
    # Not `weighted.T @ ...`: that sums in an order that depends on the processor and its threads.
    sums = np.einsum("ni,nj->ij", weighted, np.hstack([rows, targets.to_numpy()]))
    return pl.DataFrame(sums, schema=[*TERMS, *CUSTOMERS]).insert_column(
        0, pl.Series("term", TERMS)
    )


@task(reads=[moments.window(-51, 0)], writes=linear_model)
def solve_linear_model(moments: pl.DataFrame) -> pl.DataFrame:
    """Ridge regression on the weeks together."""
    return solved(moments, RIDGE)


def solved(moments: pl.DataFrame, ridge: float) -> pl.DataFrame:
    """Coefficients that explain the weeks' sums, held back from large values by the ridge."""
    weeks = moments.sort("week", maintain_order=True).select(*TERMS, *CUSTOMERS).to_numpy()
    total = weeks.reshape(-1, len(TERMS), len(TERMS) + len(CUSTOMERS)).sum(axis=0)
    products, explained = np.split(total, [len(TERMS)], axis=1)
    with one_thread():
        coefficients = np.linalg.solve(products + ridge * np.eye(len(TERMS)), explained)
    return pl.DataFrame({"term": TERMS, **dict(zip(CUSTOMERS, coefficients.T, strict=True))})


def predict(linear_model: pl.DataFrame, features: pl.DataFrame) -> pl.DataFrame:
    """Casual and registered rentals of each row of the features."""
    rows = matrix_of(features)
    logs = {
        # Not `rows @ ...`, whose last bits depend on how many rows there are.
        name: pl.Series((rows * linear_model[name].to_numpy()).sum(axis=1))
        for name in CUSTOMERS
    }
    level = {name: pl.col(f"{name}_28d") + 1 for name in CUSTOMERS}
    return features.select(
        (level[name] * log.exp() - 1).clip(lower_bound=0).alias(name) for name, log in logs.items()
    )


def matrix_of(features: pl.DataFrame) -> np.ndarray:
    """A row of terms for each of the features."""
    rows = features.select(term.cast(pl.Float64).alias(name) for name, term in terms().items())
    return np.ascontiguousarray(rows.to_numpy())
