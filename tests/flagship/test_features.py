from datetime import date, timedelta

import polars as pl
import pytest

from jobs.calendar import kinds_of_day
from jobs.demand import demand, join_demand
from jobs.features import FEATURES, baseline, build_features, expect_the_usual, with_weather
from jobs.rentals import tidy_rentals
from jobs.weather import tidy_weather
from partflow import Daily, Partition

DAYS = Daily("2011-01-01", "2013-01-01")
FRIDAY = date(2012, 6, 1)


def partition(day):
    return Partition.of(DAYS, DAYS.ordinal(day.isoformat()))


def day_of(day, rentals, observed=True):
    """A day of demand that has the same rentals in each hour; one in ten of them is casual."""
    casual = rentals // 10
    return pl.DataFrame(
        {
            "hour": list(range(24)),
            "casual": [casual] * 24,
            "registered": [rentals - casual] * 24,
            "rentals": [rentals] * 24,
            "observed": [observed] * 24,
            "temperature_c": [20.0] * 24,
            "humidity_pct": [50.0] * 24,
            "wind_kmh": [10.0] * 24,
            "condition": ["Clear"] * 24,
            "date": [day] * 24,
        },
        schema=demand.schema | {"date": pl.Date},
    )


def window_to(day):
    """Rentals of 100 on the day before, 200 on the one before that, and so on; 28 days."""
    return pl.concat([day_of(day - timedelta(days=age), age * 100) for age in range(28, 0, -1)])


def weather_of(day, condition="Light Rain"):
    return day_of(day, 0).select(
        "date",
        "hour",
        "temperature_c",
        "humidity_pct",
        "wind_kmh",
        condition=pl.lit(condition),
    )


def calendar(**holidays):
    """Two months of weekends and working days."""
    days = pl.date_range(FRIDAY - timedelta(days=31), FRIDAY + timedelta(days=31), eager=True)
    off = pl.col("date").dt.weekday() > 5
    on = [date.fromisoformat(day.replace("_", "-").strip("d")) for day in holidays]
    return pl.DataFrame({"date": days}).with_columns(
        holiday=pl.col("date").is_in(on), working_day=~off & ~pl.col("date").is_in(on)
    )


def baseline_of(window, days=None, **holidays):
    return expect_the_usual(calendar(**holidays), window, days or partition(FRIDAY))


def features_of(window, **holidays):
    features = build_features(
        calendar(**holidays),
        baseline_of(window, **holidays),
        window,
        weather_of(FRIDAY),
        partition(FRIDAY),
    )
    assert features["date"].unique().to_list() == [FRIDAY]
    return features.drop("date")


def test_the_baseline_is_the_mean_of_the_hour_on_such_days_of_the_last_28():
    window = window_to(FRIDAY)
    working = [100 * age for age in range(1, 29) if (FRIDAY - timedelta(days=age)).weekday() < 5]

    row = baseline_of(window).drop("date").row(12, named=True)

    assert dict(baseline_of(window).drop("date").schema) == baseline.schema
    assert row["casual"] + row["registered"] == pytest.approx(sum(working) / 20)
    assert row["naive"] == 700


def test_the_baseline_of_a_holiday_is_that_of_days_off():
    off = [100 * age for age in range(1, 29) if (FRIDAY - timedelta(days=age)).weekday() >= 5]

    row = baseline_of(window_to(FRIDAY), d2012_06_01=True).row(12, named=True)

    assert row["casual"] + row["registered"] == pytest.approx(sum(off) / 8)


def test_the_baseline_is_of_all_days_where_no_day_was_such_a_one():
    week = window_to(FRIDAY).filter(pl.col("date") > date(2012, 5, 27))  # Monday to Thursday

    row = baseline_of(week, d2012_06_01=True).row(12, named=True)

    assert row["casual"] + row["registered"] == 250


def test_the_naive_forecast_says_none_where_last_week_has_no_hour():
    window = window_to(FRIDAY).with_columns(
        rentals=pl.when(pl.col("hour") != 3).then("rentals"),
    )

    assert baseline_of(window)["naive"].to_list() == [0.0 if h == 3 else 700.0 for h in range(24)]


def test_means_are_of_the_days_before():
    row = features_of(window_to(FRIDAY)).row(0, named=True)

    assert (row["casual_7d"], row["registered_7d"]) == (40, 360)
    assert (row["casual_28d"], row["registered_28d"]) == (145, 1305)


def test_hours_that_were_not_observed_do_not_lower_a_mean():
    window = window_to(FRIDAY).with_columns(
        pl.when(pl.col("hour") >= 12).then(name).alias(name)
        for name in ("casual", "registered", "rentals")
    )

    features = features_of(window)

    assert features["registered_7d"][0] == 360


def test_the_calendar_of_the_day_is_known():
    row = features_of(window_to(FRIDAY), d2012_06_01=True).row(0, named=True)

    assert (row["weekday"], row["day_of_year"]) == (5, 153)
    assert (row["holiday"], row["working_day"], row["rain"]) == (True, False, 2)


def test_a_working_day_between_a_holiday_and_a_weekend_is_a_bridge():
    thursday = kinds_of_day(calendar(d2012_05_31=True))
    tuesday = kinds_of_day(calendar(d2012_05_29=True))

    assert thursday.filter("bridge")["date"].to_list() == [FRIDAY]
    assert tuesday.filter("bridge")["date"].to_list() == [date(2012, 5, 28)]
    assert thursday.filter("beside_holiday")["date"].to_list() == [date(2012, 5, 30), FRIDAY]


def test_christmas_lasts_from_the_22nd_of_december_to_new_year():
    days = pl.date_range(date(2011, 12, 20), date(2012, 1, 3), eager=True)
    kinds = kinds_of_day(
        pl.DataFrame({"date": days}).with_columns(holiday=pl.lit(False), working_day=pl.lit(True))
    )

    found = kinds.filter("christmas")["date"]
    assert (found.min(), found.max(), len(found)) == (date(2011, 12, 22), date(2012, 1, 1), 11)


def test_rain_counts_in_the_hours_around_it_and_over_the_day_but_not_into_the_next():
    two = pl.concat([weather_of(FRIDAY, "Clear"), weather_of(FRIDAY + timedelta(days=1), "Clear")])
    rain_at_23 = (pl.col("date") == FRIDAY) & (pl.col("hour") == 23)
    wet = two.with_columns(
        condition=pl.when(rain_at_23).then(pl.lit("Heavy Rain")).otherwise("condition")
    )
    known = two.select("date", "hour", temperature_28d=pl.lit(15.0))

    first, second = with_weather(known, wet).partition_by("date", maintain_order=True)

    assert first["rain_around"].to_list() == pytest.approx([0.0] * 22 + [1 / 3, 2 / 3])
    assert first["rain_of_day"][0] == pytest.approx(1 / 24)
    assert second["rain_around"].sum() == second["rain_of_day"].sum() == 0
    assert first["warmer"].to_list() == [5.0] * 24


def test_the_demand_of_every_day_before_changes_what_the_forecast_looks_at():
    window = window_to(FRIDAY)
    before = features_of(window)

    for age in (1, 7, 28):
        then = FRIDAY - timedelta(days=age)
        more = pl.when(pl.col("date") == then).then(pl.col("casual") + 1).otherwise("casual")
        changed = features_of(window.with_columns(casual=more))
        assert not changed.equals(before), age


def test_nothing_that_is_known_of_a_day_is_a_count_of_its_own():
    assert not {"casual", "registered", "rentals", "observed"} & set(FEATURES)


def test_days_that_are_made_together_are_what_they_are_by_themselves():
    days = [FRIDAY + timedelta(days=n) for n in range(3)]
    window = pl.concat([window_to(FRIDAY), *(day_of(day, 900) for day in days[:2])])
    together = Partition.spanning(DAYS, *(DAYS.ordinal(d.isoformat()) for d in (days[0], days[2])))
    air = pl.concat(weather_of(day) for day in days)

    expected = baseline_of(window, together)
    features = build_features(calendar(), expected, window, air, together)

    for day in days:
        seen = window.filter(pl.col("date").is_between(day - timedelta(days=28), day, "left"))
        by_itself = baseline_of(seen, partition(day))
        alone = build_features(calendar(), by_itself, seen, air.filter(date=day), partition(day))
        assert expected.filter(date=day).equals(by_itself)
        assert features.filter(date=day).equals(alone)


def test_the_first_day_has_features_although_nothing_came_before_it():
    features = features_of(day_of(FRIDAY, 5).clear())

    assert features.height == 24
    assert features["casual_28d"].null_count() == features["registered_expected"].null_count() == 24
    assert dict(features.schema) == FEATURES


def test_a_sky_that_nobody_has_named_yet_is_an_error():
    frogs = weather_of(FRIDAY, "Frogs")
    with pytest.raises(pl.exceptions.InvalidOperationError, match="incomplete mapping"):
        with_weather(frogs.select("date", "hour", temperature_28d=pl.lit(15.0)), frogs)


def test_demand_is_rentals_beside_the_weather_of_the_hour():
    some_rentals = tidy_rentals(
        pl.DataFrame({"date": [FRIDAY], "hour": [3], "casual": [1], "registered": [2]}),
        partition(FRIDAY),
    )
    some_weather = tidy_weather(
        pl.DataFrame(
            {
                "date": [FRIDAY, FRIDAY],
                "hour": [3, 4],
                "temperature_c": [8.0, 9.0],
                "feels_like_c": [8.0, 9.0],
                "humidity_pct": [50.0, 50.0],
                "wind_kmh": [0.0, 0.0],
                "condition": ["Clear", "Mist"],
            }
        ),
        partition(FRIDAY),
    )

    joined = join_demand(some_rentals.lazy(), some_weather.lazy()).collect().drop("date")

    assert dict(joined.schema) == demand.schema
    assert joined.height == 24
    assert joined.row(3) == (3, 1, 2, 3, True, 8.0, 50.0, 0.0, "Clear")
    assert joined.row(4) == (4, None, None, None, False, 9.0, 50.0, 0.0, "Mist")
