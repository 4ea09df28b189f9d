"""The figures that the README states, and that no forecast has seen the day which it is of."""

import re
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from flagshipdays import (
    LAST,
    all_candidates,
    all_demand,
    baseline_of,
    between,
    candidates_of,
    features_of,
    forecasts_of,
    linear_of,
    moments_of,
    monday_of,
    tree_of,
)

from jobs.candidates import score_candidates
from jobs.issued import score_issued

README = Path(__file__).parents[2] / "README.md"
YEAR = (date(2012, 1, 2), LAST)
JANUARY_TO_NOVEMBER = (date(2012, 1, 2), date(2012, 11, 4))
LAST_WEEKS = (date(2012, 11, 6), LAST)
# What the first forecast of the year is made of.
FIRST_NEEDED = YEAR[0] - timedelta(days=126)

pytestmark = pytest.mark.timeout(600)  # 70 weeks of models


@pytest.fixture(scope="module")
def said():
    return all_candidates(FIRST_NEEDED, LAST)


@pytest.fixture(scope="module")
def forecasts(said):
    return forecasts_of(said, all_demand(), *YEAR)


@pytest.fixture(scope="module")
def errors(said, forecasts):
    """Of each day of the year, model and weather; the forecast is one of the models."""
    demand = all_demand()
    known, expected = (between(f(demand), *YEAR) for f in (features_of, baseline_of))
    models = score_candidates(between(said, *YEAR), expected, known, between(demand, *YEAR))
    lived = score_issued(forecasts, known, between(demand, *YEAR))
    return pl.concat([models, lived.with_columns(model=pl.lit("forecast"))], how="diagonal")


def figures(errors, days, model, weather="actual"):
    rows = between(errors, *days).filter(model=model, weather=weather)
    return {
        "wape": rows["absolute_error"].sum() / rows["actual"].sum(),
        "bias": rows["error"].sum() / rows["actual"].sum(),
        "coverage": rows["held_hours"].sum() / max(rows["judged_hours"].sum(), 1),
        "hours": rows["observed_hours"].sum(),
    }


def figures_of_the_readme():
    """What its table states: model, weather, WAPE until November, WAPE of the last weeks."""
    number = r"\**([\d.]+)\**"
    row = rf"\(`?(\w+)`?\) \| {number} \| {number} \|(?: {number}, {number})? \|$"
    rows = re.findall(row, README.read_text("utf-8"), re.MULTILINE)
    stated = []
    for model, before, after, *with_forecast in rows:
        no_weather = not any(with_forecast)
        stated.append((model, "none" if no_weather else "actual", float(before), float(after)))
        if not no_weather:
            stated.append((model, "forecast", *map(float, with_forecast)))
    return stated


def test_the_readme_states_the_errors_of_every_model_with_every_weather():
    models = {(model, weather) for model, weather, *_ in figures_of_the_readme()}

    with_weather = ("linear", "tree", "mean", "forecast")
    assert models == {("naive", "none"), ("baseline", "none")} | {
        (model, weather) for model in with_weather for weather in ("actual", "forecast")
    }


@pytest.mark.parametrize(
    ("model", "weather", "until_november", "last_weeks"), figures_of_the_readme()
)
def test_the_errors_are_those_that_the_readme_states(
    errors, model, weather, until_november, last_weeks
):
    before = figures(errors, JANUARY_TO_NOVEMBER, model, weather)
    after = figures(errors, LAST_WEEKS, model, weather)

    assert before["wape"] == pytest.approx(until_november, abs=0.005)
    assert after["wape"] == pytest.approx(last_weeks, abs=0.005)
    assert after["hours"] == 1340


def test_the_forecast_reaches_its_goals(errors):
    before = figures(errors, JANUARY_TO_NOVEMBER, "forecast")
    after = figures(errors, LAST_WEEKS, "forecast")

    assert before["wape"] <= 0.125
    assert after["wape"] <= 0.19
    assert abs(before["bias"]) <= 0.03
    assert abs(after["bias"]) <= 0.03


def test_its_bias_and_what_its_interval_holds_are_those_that_the_readme_states(errors):
    before, after, year = (
        figures(errors, days, "forecast") for days in (JANUARY_TO_NOVEMBER, LAST_WEEKS, YEAR)
    )

    assert before["bias"] == pytest.approx(0.003, abs=0.005)
    assert after["bias"] == pytest.approx(0.016, abs=0.005)
    assert year["coverage"] == pytest.approx(0.80, abs=0.005)
    assert after["coverage"] == pytest.approx(0.78, abs=0.005)


def test_four_hours_of_five_lie_in_the_interval(errors):
    assert 0.77 <= figures(errors, YEAR, "forecast")["coverage"] <= 0.83
    assert figures(errors, LAST_WEEKS, "forecast")["coverage"] >= 0.75


@pytest.mark.parametrize("days_on", range(56))
def test_no_forecast_moves_if_all_demand_from_its_day_on_is_corrupted(said, forecasts, days_on):
    day = LAST_WEEKS[0] + timedelta(days=days_on)
    last_known = day - timedelta(days=1)
    is_later = pl.col("date") >= day
    corrupted = all_demand().with_columns(
        pl.when(is_later).then(pl.col(name) * 7 + 1000).otherwise(name).alias(name)
        for name in ("casual", "registered", "rentals")
    )
    monday = monday_of(day)
    first = monday - timedelta(weeks=52)

    known, expected = (f(corrupted, first, day) for f in (features_of, baseline_of))
    weeks = pl.date_range(first, monday, "1w", closed="left", eager=True)
    moments = pl.concat(moments_of(known, corrupted, week) for week in weeks)
    models = linear_of(moments, monday), tree_of(known, corrupted, monday)
    again = candidates_of(models, known, expected, day, day)
    before = between(said, day - timedelta(days=126), last_known)
    forecast = forecasts_of(pl.concat([before, again]), corrupted, day, day)

    assert again.equals(said.filter(date=day))
    assert forecast.equals(forecasts.filter(date=day))
