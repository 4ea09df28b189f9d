"""The whole flagship on seven weeks around the turn of 2011, when the rental system changed."""

import json
import os
import shutil
import subprocess
import sys
from datetime import date

import duckdb
import polars as pl
import pytest

SHORTER = {
    "hours.py": ['Daily("2011-01-01", "2013-01-01")', 'Daily("2011-12-19", "2012-02-06")'],
    "lessons.py": ['Weekly("2011-01-03", "2013-01-01")', 'Weekly("2011-12-19", "2012-02-06")'],
    "linear.py": [
        'Weekly("2011-02-28", "2013-01-01")',
        'Weekly("2012-01-16", "2012-02-06")',
    ],
    "candidates.py": ['Daily("2011-03-07", "2013-01-01")', 'Daily("2012-01-23", "2012-02-06")'],
    "backtest.py": ['Monthly("2011-04-01", "2013-01-01")', 'Monthly("2012-02-01", "2012-03-01")'],
}
DAYS = 49
WEEKS = 3
FORECASTS = 14

# Of every day: two raw, two clean, demand, its quality, baseline, features, a weather forecast and
# the weather's report. Of every week lessons and moments, and two models, their card and a
# champion. Of every forecast candidates, forecast, what was issued, and two errors. A month, and
# two effects.
STEPS = 10 * DAYS + 2 * DAYS // 7 + 4 * WEEKS + 5 * FORECASTS + 1 + 2


@pytest.fixture(scope="module")
def made(tmp_path_factory, pytestconfig):
    """The flagship's folder after its first run, and what that run said: not to be changed."""
    root = tmp_path_factory.mktemp("flagship")
    shutil.copytree(pytestconfig.rootpath / "jobs", root / "jobs")
    (root / "partflow.toml").write_text("", encoding="utf-8")
    for name, spans in SHORTER.items():
        text = (root / "jobs" / name).read_text(encoding="utf-8")
        for long, short in batched_by_two(spans):
            assert text.count(long) == 1
            text = text.replace(long, short)
        (root / "jobs" / name).write_text(text, encoding="utf-8")
    return root, partflow(root, "materialize", "-j", "2")


@pytest.fixture
def copy(made, tmp_path):
    shutil.copytree(made[0], tmp_path / "copy", symlinks=True)
    return tmp_path / "copy"


def partflow(root, *words, **environment):
    """What a command says last, after it ended well."""
    done = subprocess.run(
        [sys.executable, "-m", "partflow", *words],
        cwd=root,
        env=os.environ | {"NO_COLOR": "1"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def batched_by_two(spans):
    return zip(spans[::2], spans[1::2], strict=True)


def last_line(said):
    return said.strip().splitlines()[-1]


def keys(root, dataset):
    return sorted(p.parent.name.split("=")[1] for p in root.glob(f"warehouse/{dataset}/*/data.*"))


def table(root, dataset):
    return pl.read_parquet(root / f"warehouse/{dataset}", hive_partitioning=True)


def naive_of(root):
    errors = table(root, "candidate_error").filter(model="naive")
    return errors.select("date", "actual")


def made_again(copy, made):
    """The partitions whose file is another one than in the folder that was copied, by dataset."""
    found = {}
    for path in sorted(copy.glob("warehouse/*/*/data.*")):
        if path.read_bytes() != (made[0] / path.relative_to(copy)).read_bytes():
            found.setdefault(path.parts[-3], []).append(path.parent.name.split("=")[1])
    return found


def test_one_run_makes_everything(made):
    _, said = made

    assert last_line(said).startswith(f"ran {STEPS}, unchanged 0, skipped 0, failed 0")


def test_a_second_run_has_nothing_to_do(made):
    root, _ = made

    assert last_line(partflow(root, "materialize")).startswith("nothing to do")


def test_forecasts_begin_on_the_first_day_that_has_a_model(made):
    root, _ = made

    assert (
        keys(root, "tree_model")
        == keys(root, "linear_model")
        == [f"2012-W{week:02}" for week in range(3, 6)]
    )
    assert keys(root, "forecast")[0] == "2012-01-23"
    assert keys(root, "candidates")[0] == keys(root, "forecast")[0]
    assert len(keys(root, "forecast")) == FORECASTS


def test_every_day_has_24_hours_on_both_sides_of_the_change_of_systems(made):
    root, _ = made

    hours = table(root, "clean_rentals").group_by("date").len()

    assert hours.height == DAYS
    assert hours["len"].unique().to_list() == [24]


def test_the_years_rentals_are_those_of_the_bundled_file(made):
    root, _ = made

    bundled = pl.read_parquet(root / "jobs/data/rentals.parquet").filter(
        pl.col("date").is_between(date(2011, 12, 19), date(2012, 2, 5))
    )
    assert table(root, "demand")["rentals"].sum() == (
        bundled["casual"].sum() + bundled["registered"].sum()
    )


def test_duckdb_reads_the_warehouse_without_partflow(made):
    root, _ = made

    found = duckdb.sql(
        f"select count(*), count(distinct date) from read_parquet("
        f"'{root}/warehouse/clean_rentals/**/*.parquet', hive_partitioning=true)"
    ).fetchall()

    assert found == [(24 * DAYS, DAYS)]


def test_the_query_of_the_demo_gives_the_errors_of_every_model(made, pytestconfig):
    root, _ = made
    sql = (pytestconfig.rootpath / "docs/figures.sql").read_text(encoding="utf-8")

    rows = json.loads(partflow(root, "query", "--output", "json", sql))

    assert {row["model"] for row in rows} == {
        "naive",
        "baseline",
        "linear",
        "tree",
        "mean",
        "forecast",
    }


def test_what_the_newest_champion_needs_is_deployed_with_its_errors(made):
    root, _ = made
    deployed = root / "deployed/current"

    about = json.loads((deployed / "model.json").read_text())
    assert (about["week"], about["champion"]) == ("2012-W05", "mean")
    assert (deployed / "tree_model.skops").read_bytes() == (
        root / "warehouse/tree_model/week=2012-W05/data.skops"
    ).read_bytes()


def test_the_weather_page_shows_the_last_30_days(made):
    root, _ = made

    page = (root / "deployed/weather.html").read_text(encoding="utf-8")

    assert "the 30 days to 2012-02-05" in page
    assert page.count("<tr><td>2012-") == 30


def test_a_holiday_put_right_changes_its_day_and_the_model_that_learned_from_it(copy, made):
    calendar = copy / "jobs/data/calendar.parquet"
    right = pl.read_parquet(calendar).with_columns(
        working_day=pl.col("working_day") & (pl.col("date") != date(2012, 1, 31))
    )
    right.write_parquet(calendar)
    before = table(copy, "features")

    partflow(copy, "materialize")

    after = table(copy, "features")
    changed = after.filter(after["working_day"] != before["working_day"])
    assert changed["date"].unique().to_list() == [date(2012, 1, 31)]
    again = made_again(copy, made)
    assert {again[name][0] for name in ("baseline", "features", "candidates", "forecast")} == {
        "2012-01-31"
    }
    assert again["linear_model"] == again["tree_model"] == again["moments"] == ["2012-W05"]
    assert not {"raw_rentals", "demand", "weather_report"} & set(again)


def test_a_day_that_the_rental_system_corrected_is_fetched_again_and_reaches_what_reads_it(
    copy, made, business
):
    day, sums = "2012-02-02", naive_of(copy)
    business.answers[f"/{day}"] = [
        {"date": day, "hour": hour, "casual": 0, "registered": 100} for hour in range(24)
    ]

    partflow(copy, "backfill", "raw_rentals", "-p", day, DEMAND_RENTALS_URL=business.url)
    partflow(copy, "materialize")

    assert business.asked == [f"/{day}"]
    changed = (
        naive_of(copy).join(sums, on="date").filter(pl.col("actual") != pl.col("actual_right"))
    )
    assert changed.select("date", "actual").rows() == [(date(2012, 2, 2), 2400.0)]
    later = ["2012-02-02", "2012-02-03", "2012-02-04", "2012-02-05"]
    of_the_day = ("raw_rentals", "clean_rentals", "demand")
    of_later_days = ("features", "candidates", "forecast")
    of_the_week = (
        "lessons",
        "moments",
        "linear_model",
        "tree_model",
        "model_card",
        "champion",
    )
    assert made_again(copy, made) == {
        **{name: [day] for name in of_the_day},
        **dict.fromkeys(("demand_quality", "candidate_error"), later),
        **dict.fromkeys(of_later_days, later[1:]),
        **{name: ["2012-W05"] for name in of_the_week},
        "baseline": ["2012-02-03"],  # the others of that week are days off
        "backtest": ["2012-02"],
        "live_error": [day],
    }


def test_what_was_issued_stays_and_shows_as_kept(copy, business):
    day = "2012-02-02"
    business.answers[f"/{day}"] = [
        {"date": day, "hour": hour, "casual": 0, "registered": 100} for hour in range(24)
    ]

    partflow(copy, "backfill", "raw_rentals", "-p", day, DEMAND_RENTALS_URL=business.url)
    partflow(copy, "materialize")

    (kept,) = json.loads(partflow(copy, "ls", "status:kept", "--output", "json"))["datasets"]
    assert kept["name"] == "issued"
