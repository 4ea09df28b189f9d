"""A month's errors by model, weather and kind of day."""

from datetime import date

import polars as pl
import pytest

from jobs.backtest import BACKTEST, judge
from jobs.errors import ERRORS

ORDINARY, CHRISTMAS = date(2012, 12, 20), date(2012, 12, 25)
DAYS = (ORDINARY, CHRISTMAS)


def hours(**columns):
    """The first two hours of both days, with these columns."""
    rows = [{"date": day, "hour": hour} for day in DAYS for hour in (0, 1)]
    frame = pl.DataFrame(rows, schema={"date": pl.Date, "hour": pl.Int8})
    return frame.with_columns(pl.Series(name, values) for name, values in columns.items())


@pytest.fixture
def month():
    """10 rentals in each hour but one that nobody observed; the forecast says 12, 6, 20 and 20."""
    naive = pl.DataFrame(
        [(day, "naive", "none", day == CHRISTMAS, 2, 20.0, 5.0, -5.0) for day in DAYS],
        schema={
            "date": pl.Date,
            "model": pl.String,
            "weather": pl.String,
            "special": pl.Boolean,
            **ERRORS,
        },
        orient="row",
    )
    said = hours(forecast=[12.0, 6.0, 20.0, 20.0], low=[8.0, 4.0, 15.0, 15.0])
    said = said.with_columns(high=pl.col("forecast") + 2, weather=pl.lit("actual"))
    known = hours(holiday=[False] * 4, bridge=[False] * 4).with_columns(
        christmas=pl.col("date") == CHRISTMAS
    )
    demand = hours(rentals=[10, 10, 10, None])
    return judge(pl.concat([naive, naive.with_columns(model=pl.lit("mean"))]), said, known, demand)


def test_ordinary_days_and_special_ones_are_judged_apart(month):
    assert dict(month.schema) == BACKTEST
    assert month.group_by("model").len().sort("model").rows() == [
        ("forecast", 2),
        ("mean", 2),
        ("naive", 2),
    ]


def test_a_model_has_the_ratios_of_its_days_and_no_interval(month):
    (row,) = month.filter(model="naive", special=False).to_dicts()

    assert (row["wape"], row["bias"]) == (0.25, -0.25)
    assert row["coverage"] is row["pinball"] is None


def test_the_forecast_has_an_interval_that_is_judged_in_the_observed_hours(month):
    (ordinary,) = month.filter(model="forecast", special=False).to_dicts()
    (christmas,) = month.filter(model="forecast", special=True).to_dicts()

    assert (ordinary["wape"], ordinary["bias"], ordinary["coverage"]) == (0.3, -0.1, 0.5)
    assert (christmas["wape"], christmas["observed_hours"], christmas["coverage"]) == (1.0, 1, 0)
    # The first hour 0.2 + 0.4; the second, which lies 2 above, 0.6 + 1.8.
    assert ordinary["pinball"] == pytest.approx(3.0)
