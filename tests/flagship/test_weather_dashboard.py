import re
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from jobs.weather_dashboard import report_weather, weather_page, weather_report


def report_of(days):
    first = date(2012, 12, 2)
    hours = [
        pl.LazyFrame(
            {
                "date": [first + timedelta(days=n)] * 3,
                "temperature_c": [0.0, 10.0 + n, 20.0 + n],
                "observed": [True, True, False],
            }
        )
        for n in range(days)
    ]
    return report_weather(pl.concat(hours)).collect()


def test_a_day_is_reported_in_both_units():
    report = report_of(1).drop("date")

    assert dict(report.schema) == weather_report.schema
    assert report.row(0) == (0.0, 10.0, 20.0, 32.0, 50.0, 68.0, 2)


def test_the_page_needs_no_other_file_and_has_a_row_for_each_day(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    weather_page(report_of(30))

    page = Path("deployed/weather.html").read_text(encoding="utf-8")
    assert not re.search(r"<script|<link|<img|@import|src=", page)
    assert page.count("<svg") == 1
    assert page.count("<tr><td>2012-") == 30
    assert "the 30 days to 2012-12-31" in page


def test_the_chart_has_both_scales(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    weather_page(report_of(30))

    page = Path("deployed/weather.html").read_text(encoding="utf-8")
    chart = page[page.index("<svg") : page.index("</svg>")]
    assert "<!-- °C -->" in chart
    assert "<!-- °F -->" in chart


def test_the_same_report_gives_the_same_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pages = []
    for _ in range(2):
        weather_page(report_of(30))
        pages.append(Path("deployed/weather.html").read_bytes())

    assert pages[0] == pages[1]
