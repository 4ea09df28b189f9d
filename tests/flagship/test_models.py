"""The two models, the candidates, and their errors."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest
from flagshipdays import (
    all_demand,
    baseline_of,
    between,
    candidates_of,
    clean_weather,
    features_of,
    lessons_of,
    linear_of,
    moments_of,
    tree_of,
)
from sklearn.linear_model import Ridge

from jobs import linear, tree
from jobs.candidates import CANDIDATES, candidate_error, score_candidates
from jobs.features import FEATURES, features
from jobs.weather_forecast import forecast_weather, weather_forecast

MONDAY = date(2012, 6, 4)
SUNDAY = MONDAY + timedelta(days=6)
WEEKS = pl.date_range(date(2011, 6, 6), MONDAY, "1w", closed="left", eager=True).to_list()


@pytest.fixture(scope="module")
def known():
    return features_of(all_demand())


@pytest.fixture(scope="module")
def moments(known):
    return pl.concat(moments_of(known, all_demand(), week) for week in WEEKS)


@pytest.fixture(scope="module")
def models(known, moments):
    return linear_of(moments, MONDAY), tree_of(known, all_demand(), MONDAY)


@pytest.fixture(scope="module")
def said(models, known):
    return candidates_of(models, known, baseline_of(all_demand()), MONDAY, SUNDAY)


def test_moments_of_52_weeks_give_the_coefficients_of_scikit_learns_ridge(known, models):
    seen = lessons_of(known, all_demand(), WEEKS[0], MONDAY - timedelta(days=1))
    weight = seen["casual_expected"] + seen["registered_expected"] + 10
    for name in ("casual", "registered"):
        level = seen[f"{name}_28d"] + 1
        ridge = Ridge(alpha=linear.RIDGE, fit_intercept=False).fit(
            linear.matrix_of(seen), ((seen[name] + 1) / level).log(), sample_weight=weight
        )
        assert models[0][name].to_numpy() == pytest.approx(ridge.coef_, rel=1e-7, abs=1e-9)


def test_sql_can_read_a_weeks_moments_and_coefficients(moments, models):
    assert dict(moments.drop("week").schema) == linear.moments.schema
    assert dict(models[0].drop("week").schema) == linear.linear_model.schema
    assert models[0]["term"].to_list() == list(linear.TERMS)


def test_a_corrected_day_changes_the_moments_of_its_own_week_and_of_those_that_look_back_at_it(
    known, moments
):
    day = date(2012, 2, 29)
    corrected = all_demand().with_columns(
        pl.when(pl.col("date") == day)
        .then(pl.col("casual") + 9)
        .otherwise("casual")
        .alias("casual")
    )

    unseen = pl.concat(moments_of(known, corrected, week) for week in WEEKS)
    again = pl.concat(moments_of(features_of(corrected), corrected, week) for week in WEEKS)

    assert weeks_that_differ(unseen, moments) == [date(2012, 2, 27)]
    looking_back = pl.date_range(date(2012, 2, 27), date(2012, 3, 26), "1w", eager=True)
    assert weeks_that_differ(again, moments) == looking_back.to_list()


def weeks_that_differ(moments, before):
    differs = (moments["casual"] != before["casual"]).fill_null(value=True)
    return moments.filter(differs)["week"].unique().sort().to_list()


def test_training_again_gives_equal_models_bit_for_bit(known, moments, models):
    again = pl.concat(moments_of(known, all_demand(), week) for week in WEEKS)
    second = tree_of(known, all_demand(), MONDAY)
    days = between(known, MONDAY, SUNDAY)

    assert again.equals(moments)
    assert linear_of(again, MONDAY).equals(models[0])
    assert tree.predict(second, days).equals(tree.predict(models[1], days))


def test_hours_that_were_not_observed_teach_nothing(known):
    half = all_demand().with_columns(
        observed=pl.col("observed") & (pl.col("hour") >= 12),
        rentals=pl.when(pl.col("hour") >= 12).then("rentals"),
    )
    other_nights = half.with_columns(
        casual=pl.when(pl.col("hour") >= 12).then("casual").otherwise(7777),
        rentals=pl.when(pl.col("hour") >= 12).then("rentals").otherwise(7777),
    )

    assert moments_of(known, half, MONDAY).equals(moments_of(known, other_nights, MONDAY))
    assert lessons_of(known, half, MONDAY, SUNDAY).equals(
        lessons_of(known, other_nights, MONDAY, SUNDAY)
    )


@pytest.mark.parametrize("model", ["linear", "tree"])
def test_a_business_that_doubled_is_forecast_to_have_nearly_doubled(models, known, model):
    levels = [name for name in FEATURES if name.startswith(("casual", "registered"))]
    days = between(known, MONDAY, SUNDAY)
    doubled = days.with_columns(pl.col(levels) * 2)
    predict = {
        "linear": lambda frame: linear.predict(models[0], frame).sum_horizontal(),
        "tree": lambda frame: tree.predict(models[1], frame),
    }[model]

    assert predict(doubled).sum() == pytest.approx(2 * predict(days).sum(), rel=0.02)


def test_no_model_looks_at_counts_of_the_day():
    assert not {"casual", "registered", "rentals", "observed"} & set(tree.INPUTS)
    assert set(tree.INPUTS) - {"trend"} <= set(features.schema)


def test_every_model_says_24_hours_a_day_and_nothing_below_zero(said):
    counts = said.group_by("date", "model", "weather").len()

    assert dict(said.drop("date").schema) == CANDIDATES
    assert counts["len"].unique().to_list() == [24]
    assert counts.height == 7 * 7
    assert said["rentals"].null_count() == 0
    assert said["rentals"].min() >= 0
    assert said["trained"].drop_nulls().unique().to_list() == [MONDAY - timedelta(weeks=1)]


def test_the_parts_add_up_where_a_model_tells_customers_apart(said):
    parts = said.filter(pl.col("model").is_in(["baseline", "linear"]))

    assert parts["casual"].null_count() == 0
    assert parts.filter(pl.col("casual") + pl.col("registered") != pl.col("rentals")).is_empty()


def test_the_mean_lies_between_the_two_models(said):
    wide = said.pivot("model", index=["date", "hour", "weather"], values="rentals")
    both = wide.filter(pl.col("weather") != "none")

    assert both["mean"].to_list() == ((both["linear"] + both["tree"]) / 2).to_list()


def test_days_that_are_made_together_are_what_they_are_by_themselves(said, models, known):
    expected = baseline_of(all_demand())

    for day in (MONDAY, MONDAY + timedelta(days=3), SUNDAY):
        alone = candidates_of(models, known, expected, day, day)
        assert alone.equals(said.filter(date=day))


def test_features_of_two_years_at_once_are_to_the_last_bit_those_of_each_day(known):
    for day in pl.date_range(date(2011, 2, 1), date(2012, 12, 31), "13d", eager=True):
        before = between(all_demand(), day - timedelta(days=28), day - timedelta(days=1))
        assert features_of(before, day, day).equals(known.filter(date=day)), day


def test_a_day_whose_hygrometer_was_off_has_candidates_all_the_same(models, known):
    day = date(2011, 3, 10)

    alone = candidates_of(models, known, baseline_of(all_demand()), day, day)

    assert between(known, day, day)["humidity_pct"].null_count() == 24
    assert alone["rentals"].null_count() == 0


def test_a_weather_forecast_is_the_same_in_a_batch_and_alone():
    together = forecast_weather(clean_weather())
    day = date(2012, 6, 5)

    assert dict(together.drop("date").schema) == weather_forecast.schema
    assert forecast_weather(between(clean_weather(), day, day)).equals(together.filter(date=day))


def test_a_weather_forecast_errs_as_its_module_says():
    came, foretold = clean_weather(), forecast_weather(clean_weather())
    wrong_by = (came["temperature_c"] - foretold["temperature_c"]).to_numpy()
    rained = came["condition"].str.contains("Rain")
    rain_said = foretold["condition"].str.contains("Rain")

    assert np.sqrt((wrong_by**2).mean()) == pytest.approx(1.8, abs=0.05)
    assert rain_said.mean() == pytest.approx(rained.mean(), abs=0.02)
    assert 0.5 < (rained & rain_said).sum() / rained.sum() < 0.7


def day_of(values, model="linear", weather="actual", day=MONDAY):
    return pl.DataFrame(
        {"hour": range(24), "rentals": values, "date": [day] * 24},
        schema_overrides={"hour": pl.Int8, "rentals": pl.Float64},
    ).with_columns(model=pl.lit(model), weather=pl.lit(weather))


def scored(said, naive, actual):
    known = pl.DataFrame(
        {"hour": range(24), "date": [MONDAY] * 24}, schema_overrides={"hour": pl.Int8}
    ).with_columns(holiday=pl.lit(False), christmas=pl.lit(False), bridge=pl.lit(False))
    demand = day_of(actual).select("date", "hour", pl.col("rentals").cast(pl.Int32))
    baseline = day_of(naive).select("date", "hour", naive="rentals")
    return score_candidates(day_of(said), baseline, known, demand)


def test_errors_are_of_the_observed_hours_only():
    errors = scored([25.0, 30.0] + [999.0] * 22, [10.0] * 24, [20, 40] + [None] * 22)

    row = errors.filter(model="linear").row(0, named=True)
    naive = errors.filter(model="naive").row(0, named=True)
    assert dict(errors.drop("date").schema) == candidate_error.schema
    assert (row["observed_hours"], row["actual"]) == (2, 60)
    assert (row["absolute_error"], row["error"]) == (15, -5)
    assert (naive["absolute_error"], naive["error"]) == (40, -40)


def test_a_day_without_an_observed_hour_is_a_row_of_zeros():
    row = scored([25.0] * 24, [10.0] * 24, [None] * 24).row(0, named=True)

    assert (row["observed_hours"], row["actual"], row["absolute_error"]) == (0, 0, 0)
