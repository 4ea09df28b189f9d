"""Draws the picture of the forecast from the flagship's warehouse, into the file that it is told.

Knows what the forecast is called, and nothing of how it was made.
"""

import sys
from pathlib import Path

import matplotlib.dates as mdates
import polars as pl
from matplotlib import rc_context
from matplotlib.figure import Figure

from partflow import Project

IMAGE = Path(__file__).parent / "images/forecast.png"


def two_weeks(project: Project) -> pl.DataFrame:
    """The last two weeks by hour, forecast beside actual; an hour without rentals is a gap."""
    span = ("2012-12-18", "2013-01-01")
    forecast = project.read("forecast", *span).filter(weather="actual").drop("weather")
    demand = project.read("demand", *span).select("date", "hour", "rentals")
    return (
        forecast.join(demand, on=["date", "hour"])
        .with_columns(at=pl.col("date").cast(pl.Datetime) + pl.duration(hours="hour"))
        .sort("at")
        .collect()
    )


def forecast_picture(hours: pl.DataFrame) -> Figure:
    """All of it over time, with the error and the coverage of the whole in the title."""
    seen = hours.drop_nulls("rentals")
    error = (seen["forecast"] - seen["rentals"]).abs().sum() / seen["rentals"].sum()
    held = seen["rentals"].is_between(seen["low"], seen["high"]).mean()
    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(hours["at"], hours["rentals"], color="#c9d6e2", label="actual")
    axes.fill_between(
        hours["at"],
        hours["low"],
        hours["high"],
        color="#c2410c",
        alpha=0.25,
        linewidth=0,
        label="80 % interval",
    )
    axes.plot(hours["at"], hours["forecast"], color="#c2410c", linewidth=1.3, label="forecast")
    axes.set_title(
        "Rentals an hour, forecast each midnight: the weeks around Christmas, "
        f"off by {error:.0%}, with {held:.0%} of the hours in the interval",
        loc="left",
        fontsize=11,
    )
    axes.set_ylim(bottom=0)
    axes.margins(x=0)
    axes.xaxis.set_major_locator(mdates.DayLocator(interval=2))
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%a %-d %b"))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper right", frameon=False, ncols=3)
    return figure


def main(to: Path) -> None:
    """Writes the picture there."""
    to.parent.mkdir(exist_ok=True)
    project = Project.load(Path(__file__).parent)
    with rc_context({"font.size": 10}):
        forecast_picture(two_weeks(project)).savefig(to, dpi=130)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGE)
