import httpx
import polars as pl
import pytest

from jobs import systems
from jobs.rentals import RENTALS, fetch_rentals, fetch_rentals_from_old_system
from jobs.weather import fetch_weather
from partflow import Daily, Partition

DAYS = Daily("2011-01-01", "2013-01-01")


def partition(key):
    return Partition.of(DAYS, DAYS.ordinal(key))


@pytest.fixture(autouse=True)
def _no_systems_elsewhere(monkeypatch):
    monkeypatch.delenv("DEMAND_RENTALS_URL", raising=False)
    monkeypatch.delenv("DEMAND_WEATHER_URL", raising=False)


def test_the_old_system_speaks_of_numbers_as_text():
    rows = systems.rentals_of_old_system("2011-03-01")

    assert rows[0] == {
        "day": "2011-03-01",
        "hr": "0",
        "cnt_casual": "0",
        "cnt_registered": "7",
    }


def test_both_rental_systems_end_in_one_schema():
    old = fetch_rentals_from_old_system(partition("2011-12-31"))
    new = fetch_rentals(partition("2012-01-01"))

    assert old.schema == new.schema == pl.Schema(RENTALS)
    assert old.null_count().row(0) == (0, 0, 0)


def test_a_day_of_the_old_system_has_the_rentals_of_the_bundled_file():
    day = fetch_rentals_from_old_system(partition("2011-03-01"))

    bundled = pl.read_parquet("jobs/data/rentals.parquet").filter(
        pl.col("date").cast(pl.String) == "2011-03-01"
    )
    assert day.rows() == bundled.drop("date").rows()


def test_rentals_come_over_http_when_their_url_is_set(business, monkeypatch):
    monkeypatch.setenv("DEMAND_RENTALS_URL", f"{business.url}/rentals")
    business.answers["/rentals/2012-03-01"] = [
        {"date": "2012-03-01", "hour": 5, "casual": 1, "registered": 2, "shop": "north"}
    ]

    assert fetch_rentals(partition("2012-03-01")).rows() == [(5, 1, 2)]
    assert business.asked == ["/rentals/2012-03-01"]


def test_the_old_system_may_be_asked_over_http_too(business, monkeypatch):
    monkeypatch.setenv("DEMAND_RENTALS_URL", business.url)
    business.answers["/2011-03-01"] = [
        {"day": "2011-03-01", "hr": "5", "cnt_casual": "1", "cnt_registered": "2"}
    ]

    assert fetch_rentals_from_old_system(partition("2011-03-01")).rows() == [(5, 1, 2)]


def test_weather_comes_over_http_when_its_url_is_set(business, monkeypatch):
    monkeypatch.setenv("DEMAND_WEATHER_URL", f"{business.url}/")
    row = {
        "date": "2012-03-01",
        "hour": 0,
        "temperature_c": 9,
        "feels_like_c": 8.5,
        "humidity_pct": 75,
        "wind_kmh": 0.0,
        "condition": None,
    }
    business.answers["/2012-03-01"] = [row]

    assert fetch_weather(partition("2012-03-01")).rows() == [(0, 9.0, 8.5, 75.0, 0.0, None)]


def test_a_day_over_http_is_the_same_as_the_bundled_one(business, monkeypatch):
    bundled = fetch_weather(partition("2012-10-30"))
    business.answers["/2012-10-30"] = systems.weather("2012-10-30")
    monkeypatch.setenv("DEMAND_WEATHER_URL", business.url)

    assert fetch_weather(partition("2012-10-30")).equals(bundled)


def test_a_refusal_is_an_error_and_not_an_empty_day(business, monkeypatch):
    monkeypatch.setenv("DEMAND_RENTALS_URL", business.url)

    with pytest.raises(httpx.HTTPStatusError, match="404"):
        fetch_rentals(partition("2012-03-01"))


def test_a_day_without_rows_keeps_its_columns():
    assert systems.as_frame([], RENTALS).schema == pl.Schema(RENTALS)


def test_a_column_that_the_system_renamed_is_an_error():
    with pytest.raises(pl.exceptions.ColumnNotFoundError, match="casual"):
        systems.as_frame([{"hour": 0, "cnt_casual": 1, "registered": 2}], RENTALS)


def test_a_count_that_is_no_number_is_an_error():
    with pytest.raises(pl.exceptions.InvalidOperationError, match="many"):
        systems.as_frame([{"hour": 0, "casual": "many", "registered": "2"}], RENTALS)
