"""Draws the pictures of the docs from the flagship's warehouse: run it after `make demo`.

Knows what the forecast is called, and nothing of how it was made.
"""

from pathlib import Path

import matplotlib.dates as mdates
import polars as pl
from matplotlib import rc_context
from matplotlib.figure import Figure

from partflow import Project

IMAGES = Path(__file__).parent / "images"


def two_weeks() -> pl.DataFrame:
    """The last two weeks by hour, forecast beside actual; an hour without rentals is a gap."""
    project = Project.load(Path(__file__).parent)
    span = ("2012-12-18", "2013-01-01")
    forecast = project.read("forecast", *span).select("date", "hour", "forecast")
    demand = project.read("demand", *span).select("date", "hour", "rentals")
    return (
        forecast.join(demand, on=["date", "hour"])
        .with_columns(at=pl.col("date").cast(pl.Datetime) + pl.duration(hours="hour"))
        .sort("at")
        .collect()
    )


def forecast_picture(hours: pl.DataFrame) -> Figure:
    """Both lines over time, with the error of the whole in the title."""
    seen = hours.drop_nulls("rentals")
    error = (seen["forecast"] - seen["rentals"]).abs().sum() / seen["rentals"].sum()
    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots()
    axes.fill_between(hours["at"], hours["rentals"], color="#c9d6e2", label="actual")
    axes.plot(hours["at"], hours["forecast"], color="#c2410c", linewidth=1.3, label="forecast")
    axes.set_title(
        f"Rentals an hour, forecast each midnight: the weeks around Christmas, off by {error:.0%}",
        loc="left",
        fontsize=11,
    )
    axes.set_ylim(bottom=0)
    axes.margins(x=0)
    axes.xaxis.set_major_locator(mdates.DayLocator(interval=2))
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%a %-d %b"))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="upper right", frameon=False, ncols=2)
    return figure


def main() -> None:
    """Writes `docs/images/forecast.png`."""
    IMAGES.mkdir(exist_ok=True)
    with rc_context({"font.size": 10}):
        forecast_picture(two_weeks()).savefig(IMAGES / "forecast.png", dpi=130)


if __name__ == "__main__":
    main()
