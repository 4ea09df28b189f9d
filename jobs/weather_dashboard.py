"""A second pipeline on the first one's clean weather: a report by day, and a page with a chart."""

import io
from typing import Any

import polars as pl

from jobs.deployment import replace_file
from jobs.hours import DAYS
from jobs.weather import clean_weather
from partflow import Dataset, effect, task

weather_report = Dataset(
    "weather_report",
    DAYS,
    schema={
        "low_c": pl.Float64,
        "mean_c": pl.Float64,
        "high_c": pl.Float64,
        "low_f": pl.Float64,
        "mean_f": pl.Float64,
        "high_f": pl.Float64,
        "observed_hours": pl.UInt32,
    },
    description="Each day's temperatures in Celsius and Fahrenheit",
)


@task(reads=[clean_weather], writes=weather_report, batch=True)
def report_weather(weather: pl.LazyFrame) -> pl.LazyFrame:
    """Lowest, mean and highest temperature of each day, rounded to what a thermometer shows."""
    celsius = pl.col("temperature_c")
    figures = {"low": celsius.min(), "mean": celsius.mean(), "high": celsius.max()}
    return weather.group_by("date", maintain_order=True).agg(
        *[figure.round(1).alias(f"{name}_c") for name, figure in figures.items()],
        *[to_fahrenheit(figure).round(1).alias(f"{name}_f") for name, figure in figures.items()],
        pl.col("observed").sum().alias("observed_hours"),
    )


def to_fahrenheit(celsius: Any) -> Any:
    """For columns as for the chart's axis."""
    return celsius * 9 / 5 + 32


def to_celsius(fahrenheit: Any) -> Any:
    """The way back, which the chart's axis wants too."""
    return (fahrenheit - 32) * 5 / 9


@effect(reads=[weather_report.window(-29, 0)], only="latest")
def weather_page(report: pl.DataFrame) -> None:
    """Writes `deployed/weather.html`: one file that needs no other, with the last 30 days."""
    days = "".join(
        f"<tr><td>{day}<td>{low_c:.1f}<td>{high_c:.1f}<td>{low_f:.1f}<td>{high_f:.1f}\n"
        for day, low_c, high_c, low_f, high_f in report.select(
            "date", "low_c", "high_c", "low_f", "high_f"
        ).iter_rows()
    )
    page = HTML.format(chart=chart_of(report), days=days, last=report["date"].max())
    replace_file("weather.html", page.encode())


def chart_of(report: pl.DataFrame) -> str:
    """The chart as SVG text: lowest to highest of each day, °C on the left and °F on the right."""
    from matplotlib import rc_context  # slow to import, and only wanted here
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    left = figure.subplots()
    days = report["date"].to_numpy()
    left.fill_between(days, report["low_c"], report["high_c"], alpha=0.25, label="low to high")
    left.plot(days, report["mean_c"], marker="o", markersize=3, label="mean")
    left.set_ylabel("°C")
    left.margins(x=0.01)
    left.grid(alpha=0.3)
    left.legend(loc="upper right", frameon=False)
    left.secondary_yaxis("right", functions=(to_fahrenheit, to_celsius)).set_ylabel("°F")
    figure.autofmt_xdate(rotation=0, ha="center")
    text = io.StringIO()
    with rc_context({"svg.hashsalt": "weather"}):  # the same ids in every run
        figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]


HTML = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Weather to {last}</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: 2rem auto }}
  svg {{ width: 100%; height: auto }}
  table {{ border-collapse: collapse; font-variant-numeric: tabular-nums }}
  th, td {{ padding: .1rem 1rem .1rem 0; text-align: right }}
  th:first-child, td:first-child {{ text-align: left }}
</style>
<h1>Washington, D.C.: the 30 days to {last}</h1>
{chart}
<table>
<tr><th>day<th>low °C<th>high °C<th>low °F<th>high °F
{days}</table>
<p>Weather from freemeteo by way of the UCI Bike Sharing data set (CC BY 4.0).</p>
</html>
"""
