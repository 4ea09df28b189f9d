"""How the flagship's settings were chosen: the error of 2012, with one of them changed at a time.

Beside it stands what share of the hours the interval holds; that is to be 80 %.

Run `make demo` first: what models learn from is read from its warehouse. Settings are judged on 2
January to 4 November. `--last-weeks` shows the last eight weeks, too. These have been seen before,
so they choose nothing; and over eight weeks two models differ by 0.03 for no reason at all.

    .venv/bin/python bench/forecast_settings.py
"""

import argparse
import time
from datetime import date, timedelta

import polars as pl

from jobs import forecast, linear, tree
from jobs.features import CUSTOMERS
from partflow import Project

WEEK = timedelta(weeks=1)
# A fortnight more than is judged, so that the first days have something to be corrected by.
FIRST, LAST = date(2011, 12, 19), date(2012, 12, 31)
SPANS = {
    "2 Jan to 4 Nov": (date(2012, 1, 2), date(2012, 11, 4)),
    "last 8 weeks": (date(2012, 11, 6), LAST),
}
RIDGES = (30.0, linear.RIDGE, 3000.0)
TREES = {
    "as they are": {},
    "fewer trees": {"max_iter": 30, "learning_rate": 0.2},
    "more trees, finer bins": {"max_iter": 60, "learning_rate": 0.1, "max_bins": 64},
    "smaller trees": {"max_leaf_nodes": 31},
    "coarser bins": {"max_bins": 24},
}
INPUTS = {
    "without rain around and over the day": ("rain_around", "rain_of_day"),
    "without warmer than the last 28 days": ("warmer",),
    "without Christmas, bridges, neighbours": ("christmas", "bridge", "beside_holiday"),
}
"""Columns that the trees do not look at."""
POWERS = (0.0, 0.3, forecast.POWER, 1.0)
"""0 corrects nothing; 1 moves the level by all that the last 14 days were off."""
PACES = (0.0, 0.05, forecast.PACE, 0.2)
"""By how much the tails of the interval move in a day; 0 leaves a tenth out on each side."""


def main() -> None:
    """Changes one setting after the other: about a quarter of a minute for each kind of trees."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--last-weeks", action="store_true", help="show the last eight weeks, too")
    spans = list(SPANS) if parser.parse_args().last_weeks else list(SPANS)[:1]
    project = Project.load(".")
    features, demand, lessons, moments = (
        project.read(name).collect() for name in ("features", "demand", "lessons", "moments")
    )
    features, demand = features.sort("date", "hour"), demand.sort("date", "hour")
    actual = of_days(demand, FIRST, LAST + WEEK)
    print(f"{'WAPE, and seconds to train a week':52}" + "".join(f"{span:>16}" for span in spans))

    lines = {ridge: by_linear(features, moments, ridge) for ridge in RIDGES}
    for ridge, said in lines.items():
        show(f"linear, ridge {ridge:g}", said, actual, spans)
    line = lines[linear.RIDGE]
    chosen = by_tree(features, lessons, {}, tree.INPUTS)
    for power in POWERS:
        mean = corrected((line + chosen) / 2, actual["rentals"], power)
        show(f"mean, corrected by the power {power:g}", mean, actual, spans)
    for pace in PACES:
        show_coverage(project, pace, spans)
    casual, registered = (
        by_tree(only(kind, features), only(kind, lessons), {}, tree.INPUTS) for kind in CUSTOMERS
    )
    apart = casual + registered
    show("trees of casual and registered apart", apart, actual, spans)
    mean = corrected((line + apart) / 2, actual["rentals"], forecast.POWER)
    show("  mean, corrected", mean, actual, spans)
    changes = [(name, settings, tree.INPUTS) for name, settings in TREES.items()]
    changes += [(name, {}, without(columns)) for name, columns in INPUTS.items()]
    for name, settings, inputs in changes:
        began = time.process_time()
        said = by_tree(features, lessons, settings, inputs)
        spent = (time.process_time() - began) / len(mondays())
        mean = corrected((line + said) / 2, actual["rentals"], forecast.POWER)
        show(f"trees {name}, {spent:.2f} s", said, actual, spans)
        show("  mean, corrected", mean, actual, spans)


def without(columns: tuple[str, ...]) -> tuple[str, ...]:
    """The trees' inputs but for those columns."""
    return tuple(name for name in tree.INPUTS if name not in columns)


def mondays() -> list[date]:
    """The weeks that are forecast."""
    return pl.date_range(FIRST, LAST, "1w", eager=True).to_list()


def of_days(frame: pl.DataFrame, first: date, after: date) -> pl.DataFrame:
    """Those days of the frame."""
    return frame.filter(pl.col("date").is_between(first, after, closed="left"))


def by_tree(
    features: pl.DataFrame,
    lessons: pl.DataFrame,
    settings: dict[str, float],
    inputs: tuple[str, ...],
) -> pl.Series:
    """Each week by trees that learned from the 52 weeks before it."""
    said = []
    for monday in mondays():
        seen = tree.fit_to_learn(of_days(lessons, monday - 52 * WEEK, monday))
        model = tree.fitted(seen, tree.SETTINGS | settings, inputs)
        said.append(tree.predict(model, of_days(features, monday, monday + WEEK), inputs))
    return pl.concat(said)


def only(kind: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Features or lessons as if there were no other customers than those."""
    others = [
        name for name in frame.columns if name.startswith(CUSTOMERS) and not name.startswith(kind)
    ]
    return frame.with_columns(pl.lit(0).cast(frame.schema[name]).alias(name) for name in others)


def by_linear(features: pl.DataFrame, moments: pl.DataFrame, ridge: float) -> pl.Series:
    """Each week by the linear model of the 52 weeks before it."""
    said = []
    for monday in mondays():
        ago = pl.col("week").is_between(monday - 52 * WEEK, monday, closed="left")
        model = linear.solved(moments.filter(ago), ridge)
        parts = linear.predict(model, of_days(features, monday, monday + WEEK))
        said.append(parts.sum_horizontal())
    return pl.concat(said)


def corrected(said: pl.Series, actual: pl.Series, power: float) -> pl.Series:
    """All days, each put right by that power of what the 14 days before were off."""
    mean, came = forecast.by_day(said), forecast.by_day(actual.cast(pl.Float64))
    return pl.Series(forecast.corrected(mean, came, power).ravel())


def show_coverage(project: Project, pace: float, spans: list[str]) -> None:
    """A line with the share of hours that the interval holds, of the models in the warehouse."""
    demand = project.read("demand").select("date", "hour", actual=pl.col("rentals"))
    hours = (
        project.read("candidates")
        .filter(pl.col("model") == "mean", pl.col("weather") == "actual")
        .join(demand.cast({"actual": pl.Float64}), on=["date", "hour"], how="left")
        .sort("date", "hour")
        .collect()
    )
    days = (LAST - SPANS["2 Jan to 4 Nov"][0]).days + 1
    said = forecast.forecast_last(days, hours, pace).join(hours, on=["date", "hour"])
    shares = []
    for first, last in (SPANS[span] for span in spans):
        judged = said.filter(pl.col("date").is_between(first, last))
        shares.append(judged.select(pl.col("actual").is_between("low", "high").mean()).item())
    name = f"tails that move by {pace:g} a day: hours held"
    print(f"{name:52}" + "".join(f"{share:16.4f}" for share in shares), flush=True)


def show(name: str, said: pl.Series, actual: pl.DataFrame, spans: list[str]) -> None:
    """A line with the WAPE of each span."""
    error = (said - actual["rentals"]).abs()
    wapes = []
    for first, last in (SPANS[span] for span in spans):
        days = actual["date"].is_between(first, last)
        wapes.append(error.filter(days).sum() / actual["rentals"].filter(days).sum())
    print(f"{name:52}" + "".join(f"{wape:16.4f}" for wape in wapes), flush=True)


if __name__ == "__main__":
    main()
