"""The calendar: holidays, and the days around them on which people stay away from work."""

import polars as pl

from partflow import Source, Whole

# Somebody keeps this file by hand. It is a source: correct a holiday in it, and what depends on
# that day is made again.
calendar = Source(
    "calendar",
    Whole(),
    path="jobs/data/calendar.parquet",
    schema={"date": pl.Date, "holiday": pl.Boolean, "working_day": pl.Boolean},
    description="Holidays and working days of the District of Columbia",
)

# A day on which one of these is true is not ordinary, and is judged apart.
SPECIAL = ("holiday", "christmas", "bridge")


def kinds_of_day(calendar: pl.DataFrame) -> pl.DataFrame:
    """Each date's kind, one column for each question that can be asked of it."""
    holiday, works = pl.col("holiday"), pl.col("working_day")
    before, after = holiday.shift(1, fill_value=False), holiday.shift(-1, fill_value=False)
    between_days_off = ~works.shift(1, fill_value=True) & ~works.shift(-1, fill_value=True)
    month, day = pl.col("date").dt.month(), pl.col("date").dt.day()
    return calendar.sort("date").with_columns(
        christmas=((month == 12) & (day >= 22)) | ((month == 1) & (day == 1)),
        bridge=works & between_days_off & (before | after),
        beside_holiday=~holiday & (before | after),
    )


def special() -> pl.Expr:
    """Whether the day is a holiday, around Christmas, or between a holiday and a weekend."""
    return pl.any_horizontal(SPECIAL)
