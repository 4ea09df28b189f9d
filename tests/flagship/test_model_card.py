"""What is said of a week's models."""

from datetime import date, timedelta

import polars as pl
import pytest
from flagshipdays import all_demand, features_of, lessons_of, linear_of, moments_of, tree_of

from jobs import linear, tree
from jobs.linear import WEEKS
from jobs.model_card import describe_models, model_card
from partflow import Partition

MONDAY = date(2012, 6, 4)
LAST_WEEKS = pl.date_range(date(2011, 6, 6), MONDAY, "1w", closed="left", eager=True)


@pytest.fixture(scope="module")
def cards():
    """Of the week before that Monday, whose models are in use from then on."""
    known = features_of(all_demand())
    moments = pl.concat(moments_of(known, all_demand(), week) for week in LAST_WEEKS)
    week = MONDAY - timedelta(weeks=1), MONDAY - timedelta(days=1)
    errors = pl.DataFrame(
        [
            {
                "date": week[0],
                "model": model,
                "weather": weather,
                "actual": 100.0,
                "absolute_error": 10.0 if weather == "actual" else 20.0,
                "error": -1.0,
            }
            for model in ("linear", "tree", "mean")
            for weather in ("actual", "forecast")
        ]
    )
    return describe_models(
        linear_of(moments, MONDAY),
        tree_of(known, all_demand(), MONDAY),
        errors,
        lessons_of(known, all_demand(), *week),
        Partition.of(WEEKS, WEEKS.ordinal("2012-W22")),
    )


def test_a_card_says_what_the_model_learned_from_and_how_wrong_it_was_out_of_sample(cards):
    for card in cards.to_dicts():
        assert (card["first_day"], card["last_day"]) == (date(2011, 6, 6), date(2012, 6, 3))
        assert (card["wape"], card["bias"]) == (0.1, -0.01)
        assert card["wape_with_forecast_weather"] == 0.2
    assert cards["model"].to_list() == ["linear", "tree", "mean"]
    assert set(cards.columns) == set(model_card.schema)


def test_a_card_says_what_the_model_looks_at(cards):
    weights = {
        row["model"]: {each["name"]: each["weight"] for each in row["looks_at"]}
        for row in cards.to_dicts()
    }

    assert set(weights["tree"]) == set(tree.INPUTS)
    assert max(weights["tree"], key=weights["tree"].get) == "hour"
    assert {name.partition(": ")[2] for name in weights["linear"]} == set(linear.TERMS)
    assert weights["linear"]["registered: rain"] < 0


def test_the_first_models_have_learned_from_nine_weeks():
    first = Partition.of(WEEKS, WEEKS.ordinal("2011-W09"))

    assert (first.end.date() - date(2011, 1, 3)).days == 9 * 7
