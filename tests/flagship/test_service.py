"""Who is in service, what is known of it, and when it is not put there."""

import json
from datetime import date, timedelta

import polars as pl
import pytest
from flagshipdays import all_demand, between, clean_rentals, clean_weather, span

from jobs import deployment
from jobs.champion import CHAMPION, choose_champion
from jobs.linear import WEEKS
from jobs.quality import check_demand, demand_quality
from jobs.service import deployed_model
from partflow import Partition

MONDAY = date(2012, 6, 4)
NOBODY = pl.DataFrame(schema=CHAMPION)


def errors(**wapes):
    """Eight weeks in one row for each model, of 1,000 rentals."""
    return pl.DataFrame(
        [
            {
                "date": MONDAY,
                "model": model,
                "weather": "none" if model == "baseline" else "actual",
                "actual": 1000.0,
                "absolute_error": 1000.0 * wape,
                "error": 10.0,
            }
            for model, wape in wapes.items()
        ]
    )


def in_service(champion):
    return champion.filter("in_service")["model"].to_list()


def test_the_mean_is_in_service_at_first():
    chosen = choose_champion(errors(baseline=0.3, linear=0.2, tree=0.2, mean=0.2), NOBODY)

    assert dict(chosen.schema) == CHAMPION
    assert in_service(chosen) == ["mean"]


def test_another_model_takes_over_only_if_it_is_two_percent_better():
    nearly = choose_champion(errors(baseline=0.3, linear=0.197, tree=0.2, mean=0.2), NOBODY)
    clearly = choose_champion(errors(baseline=0.3, linear=0.195, tree=0.2, mean=0.2), nearly)

    assert in_service(nearly) == ["mean"]
    assert in_service(clearly) == ["linear"]


def test_who_took_over_stays_until_another_is_better_than_it():
    first = choose_champion(errors(baseline=0.3, linear=0.15, tree=0.2, mean=0.2), NOBODY)

    second = choose_champion(errors(baseline=0.3, linear=0.2, tree=0.21, mean=0.198), first)

    assert in_service(second) == ["linear"]


def test_errors_with_a_weather_forecast_and_of_the_naive_one_choose_nobody():
    others = pl.concat(
        [
            errors(baseline=0.3, linear=0.2, tree=0.2, mean=0.2),
            errors(naive=0.1, linear=0.01).with_columns(weather=pl.lit("forecast")),
        ]
    )

    assert in_service(choose_champion(others, NOBODY)) == ["mean"]


def test_a_week_without_errors_has_no_champion_and_the_next_begins_with_the_mean():
    none = choose_champion(errors(mean=0.2).clear(), NOBODY)

    assert none.is_empty()
    assert in_service(choose_champion(errors(baseline=0.3, mean=0.2), none)) == ["mean"]


def quality_of(*days):
    checked = [
        check_demand(
            between(clean_rentals(), day, day),
            between(clean_weather(), day, day),
            between(all_demand(), day - timedelta(days=28), day - timedelta(days=1)),
            span(day, day),
        )
        for day in days
    ]
    return pl.concat(checked)


def test_a_day_like_any_other_passes_its_checks():
    row = quality_of(MONDAY).drop("date").row(0, named=True)

    assert list(row) == list(demand_quality.schema)
    assert (row["absent_hours"], row["stuck_sensors"], row["passed"]) == (0, 0, True)
    assert row["level"] == pytest.approx(1, abs=0.2)


def test_the_hurricane_shows():
    (row,) = quality_of(date(2012, 10, 29)).to_dicts()

    assert row["absent_hours"] == 23
    assert not row["passed"]


def test_a_hygrometer_that_was_off_shows():
    (row,) = quality_of(date(2011, 3, 10)).to_dicts()

    assert row["stuck_sensors"] == 1
    assert not row["passed"]


def test_quiet_days_after_christmas_pass_and_a_feed_that_was_cut_off_does_not():
    christmas = quality_of(*(date(2012, 12, day) for day in range(24, 32)))
    day = date(2012, 6, 5)
    lost = between(clean_rentals(), day, day).with_columns(rentals=pl.lit(2, pl.Int32))

    cut_off = check_demand(lost, between(clean_weather(), day, day), all_demand(), span(day, day))

    assert christmas["passed"].all()
    assert not cut_off["passed"][0]


def test_the_first_day_is_not_failed_for_having_no_day_before_it():
    row = quality_of(date(2011, 1, 1)).row(0, named=True)

    assert row["level"] is None
    assert row["passed"]


def test_days_that_are_checked_together_are_what_they_are_by_themselves():
    first, last = date(2012, 10, 28), date(2012, 10, 31)

    together = check_demand(
        between(clean_rentals(), first, last),
        between(clean_weather(), first, last),
        all_demand(),
        span(first, last),
    )

    alone = quality_of(*(first + timedelta(days=day) for day in range(4)))
    assert together.equals(alone)


@pytest.fixture
def release(tmp_path, monkeypatch):
    """Deploys that week's models, which are two small files here; gives what is in service."""
    monkeypatch.setattr(deployment, "DEPLOYED", tmp_path / "deployed")
    files = {"linear": tmp_path / "data.parquet", "tree": tmp_path / "data.skops"}
    for name, path in files.items():
        path.write_bytes(name.encode())
    card = pl.DataFrame({"model": ["mean"], "wape": [0.18], "week": [MONDAY]})
    passed = pl.DataFrame({"date": [MONDAY], "passed": [True]})

    def deploy(champion, quality=passed):
        week = Partition.of(WEEKS, WEEKS.ordinal("2012-W23"))
        deployed_model(champion, card, [files["linear"]], [files["tree"]], quality, week)
        return tmp_path / "deployed/current"

    return deploy


def champion_of(name, wape, baseline=0.3):
    rows = {"baseline": baseline, name: wape}
    return pl.DataFrame(
        [(model, error, 0.0, model == name) for model, error in rows.items()],
        schema=CHAMPION,
        orient="row",
    )


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("mean", {"linear_model.parquet", "tree_model.skops"}),
        ("linear", {"linear_model.parquet"}),
        ("tree", {"tree_model.skops"}),
    ],
)
def test_what_the_champion_needs_is_put_into_service_with_its_errors(release, name, files):
    current = release(champion_of(name, 0.18))

    about = json.loads((current / "model.json").read_text())
    assert {path.name for path in current.iterdir()} == files | {"model.json", "model_card.json"}
    assert (about["week"], about["champion"], about["errors"]["wape"]) == ("2012-W23", name, 0.18)


def test_a_week_before_any_model_was_judged_is_refused(release):
    with pytest.raises(ValueError, match="no model has been judged yet"):
        release(NOBODY)


def test_a_champion_that_is_worse_than_no_model_is_refused_and_the_last_one_stays(release):
    current = release(champion_of("tree", 0.18))

    with pytest.raises(ValueError, match=r"mean has a WAPE of 0\.350 .* baseline 0\.300"):
        release(champion_of("mean", 0.35))

    assert json.loads((current / "model.json").read_text())["champion"] == "tree"


def test_a_week_with_a_day_that_failed_its_checks_is_refused(release):
    failed = pl.DataFrame({"date": [MONDAY, date(2012, 6, 5)], "passed": [True, False]})

    with pytest.raises(ValueError, match="the data of 2012-06-05 failed its checks"):
        release(champion_of("mean", 0.18), failed)
