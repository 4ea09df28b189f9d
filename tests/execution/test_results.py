"""Results: which of what a task returns can be stored, and what is said of the rest."""

import datetime as dt

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from partflow.errors import ResultError
from partflow.execution.attempt.results import Target, normalise, split
from partflow.formats.frames import PartitionColumn, stage_frame

DAY = dt.date(2026, 3, 1)
FRAME = pl.DataFrame({"a": [2, 1], "b": ["x", None]})


def target(**declared):
    declared.setdefault("column", PartitionColumn("date", (DAY,)))
    return Target("sales", "2026-03-01", **declared)


def stored(result, **declared):
    frame = normalise(result, target(**declared))
    return frame.collect() if isinstance(frame, pl.LazyFrame) else frame


# Made when it is asked for: pytest keeps parameters to the end, where DuckDB reports leaks.
RETURNED = {
    "eager": lambda: FRAME,
    "lazy": FRAME.lazy,
    "table": FRAME.to_arrow,
    "batch": lambda: FRAME.to_arrow().to_batches()[0],
    "reader": lambda: FRAME.to_arrow().to_reader(),
    "duckdb": lambda: duckdb.from_arrow(FRAME.to_arrow()),
}


@pytest.mark.parametrize("kind", RETURNED)
def test_every_frame_can_be_returned(kind):
    assert stored(RETURNED[kind]()).equals(FRAME)


def test_a_relation_over_a_local_frame_is_streamed_to_disk_after_the_task_returned(tmp_path):
    def task():
        sales = FRAME.clone()  # noqa: F841 - DuckDB finds it by its name
        return duckdb.sql("select a, b from sales")

    frame = normalise(task(), target())
    assert isinstance(frame, pl.LazyFrame)
    assert stage_frame(frame, tmp_path / "f", {})[0].rows == 2


def test_a_reader_is_streamed_and_its_limit_and_filter_hold():
    batches = pa.Table.from_batches(FRAME.to_arrow().to_batches(max_chunksize=1))

    def lazy():
        return normalise(batches.to_reader(), target())

    assert lazy().head(1).collect().equals(FRAME.head(1))
    assert lazy().filter(pl.col("a") == 1).select("b").collect().equals(FRAME.select("b").tail(1))


@pytest.mark.parametrize(
    ("result", "problem"),
    [(None, "returned None; return a"), ({}, "returned a dict"), (FRAME["a"], "returned a Series")],
)
def test_what_is_no_frame_is_refused(result, problem):
    with pytest.raises(ResultError, match=f"sales@2026-03-01: the task {problem}"):
        normalise(result, target())


@pytest.mark.parametrize("lazy", [False, True])
def test_the_partition_column_is_dropped_where_it_agrees(lazy):
    frame = FRAME.with_columns(date=DAY)
    assert stored(frame.lazy() if lazy else frame).equals(FRAME)


def test_the_partition_column_with_another_value_is_refused_with_counts():
    days = [DAY, dt.date(2026, 3, 2), dt.date(2026, 3, 2), None]
    frame = pl.DataFrame({"date": days})
    with pytest.raises(ResultError, match=r"2026-03-02 \(2 rows\), null \(1 row\)"):
        stored(frame)


def test_a_wrong_value_in_a_streamed_result_is_refused_while_it_is_staged(tmp_path):
    frame = normalise(pl.LazyFrame({"a": [1], "date": [dt.date(2020, 1, 1)]}), target())
    with pytest.raises(ResultError, match="2020-01-01"):
        stage_frame(frame, tmp_path / "f", {})


def test_of_many_wrong_values_some_are_shown():
    frame = pl.DataFrame({"date": pl.date_range(DAY, dt.date(2026, 3, 9), eager=True)})
    with pytest.raises(ResultError, match="5 more values"):
        stored(frame)


def test_a_batch_may_carry_any_of_its_partitions():
    column = PartitionColumn("date", (DAY, dt.date(2026, 3, 2)))
    frame = pl.DataFrame({"a": [1, 2], "date": column.values})
    assert stored(frame, column=column).columns == ["a"]


@pytest.mark.parametrize(
    ("value", "fits"),
    [("2026-03-01T00:00", True), ("2026-03-01T05:00", False)],
)
def test_a_moment_is_the_day_only_at_its_start(value, fits):
    frame = pl.DataFrame({"a": [1], "date": [dt.datetime.fromisoformat(value)]})
    if fits:
        assert stored(frame).columns == ["a"]
    else:
        with pytest.raises(ResultError, match="05:00"):
            stored(frame)


@pytest.mark.parametrize("own", ["UTC", "America/New_York", "Asia/Kathmandu"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", None])
@pytest.mark.parametrize("unit", ["ms", "ns"])
def test_an_hour_may_come_aware_in_any_zone_or_naive_on_the_clock_of_its_own(own, zone, unit):
    hour = dt.datetime(2026, 3, 1, 5, tzinfo=dt.UTC)
    frame = pl.DataFrame({"a": [1], "hour": [hour]}).with_columns(
        pl.col("hour").dt.cast_time_unit(unit)
    )
    moved = pl.col("hour").dt.convert_time_zone(zone or own)
    if zone is None:
        moved = moved.dt.replace_time_zone(None)
    column = PartitionColumn("hour", (hour,), zone=own)
    assert stored(frame.with_columns(moved), column=column).columns == ["a"]


HOURS = tuple(dt.datetime.fromisoformat("2024-10-26T20") + dt.timedelta(hours=i) for i in range(8))
"""On the clock of UTC; Berlin's is turned back from 3 to 2 within them."""


def hours(clocks, zone="Europe/Berlin"):
    frame = pl.DataFrame({"a": range(len(clocks)), "hour": clocks})
    return frame, target(column=PartitionColumn("hour", HOURS, zone=zone))


def on_the_clock(zone, *places):
    moments = pl.Series("hour", HOURS).gather(places).dt.replace_time_zone("UTC")
    return moments.dt.convert_time_zone(zone).dt.replace_time_zone(None).to_list()


def test_a_batch_is_split_by_the_clock_of_the_zone_where_that_is_the_only_one_it_can_be():
    parts = split(*hours(on_the_clock("Europe/Berlin", 0, 0, 7)))
    assert [part["a"].to_list() for part in parts] == [[0, 1], [], [], [], [], [], [], [2]]


@pytest.mark.parametrize(
    ("clocks", "problem"),
    [
        (on_the_clock("Europe/Berlin", 0, 4), "clock of Europe/Berlin is turned back here"),
        (on_the_clock("UTC", 0, 1), "holds UTC's clock, as hours did once"),
        (on_the_clock("UTC", 2, 3), "may be UTC's clock as well as that of Europe/Berlin"),
    ],
)
def test_naive_hours_that_could_be_others_are_refused_in_a_batch(clocks, problem):
    with pytest.raises(ResultError, match=f"no time zone.*{problem}.*as the frames"):
        split(*hours(clocks))


@pytest.mark.parametrize("lazy", [False, True], ids=["eager", "lazy"])
@pytest.mark.parametrize(
    ("hour", "problem"),
    [
        (HOURS[0], "holds UTC's clock, as hours did once; without a zone"),
        (dt.datetime.fromisoformat("2024-10-27T02"), "turned back here"),
        (dt.datetime.fromisoformat("2024-10-26T23"), "holds 2024-10-26 23:00"),
    ],
)
def test_a_naive_hour_of_utc_is_refused_with_a_word_of_why(tmp_path, hour, problem, lazy):
    at = HOURS[4] if hour.hour == 2 else HOURS[0]
    frame = pl.DataFrame({"a": [1], "hour": [hour]})
    column = PartitionColumn("hour", (at,), zone="Europe/Berlin")
    result = frame.lazy() if lazy else frame
    with pytest.raises(ResultError, match=problem):
        stage_frame(normalise(result, target(column=column)), tmp_path / "f", {})


def test_hours_of_utc_may_be_naive_as_before():
    frame, wanted = hours(list(HOURS), zone="UTC")
    assert [part.height for part in split(frame, wanted)] == [1] * 8


def test_a_partition_column_of_another_type_is_refused():
    with pytest.raises(ResultError, match="'date' is String; make it Date"):
        stored(pl.DataFrame({"date": ["2026-03-01"]}))


def test_a_dataset_that_is_whole_keeps_a_column_named_date():
    assert stored(pl.DataFrame({"date": ["x"]}), column=None).columns == ["date"]


@pytest.mark.parametrize("lazy", [False, True])
def test_columns_come_in_the_order_of_the_schema(lazy):
    frame = FRAME.select("b", "a")
    schema = {"a": pl.Int64, "b": pl.String}
    assert stored(frame.lazy() if lazy else frame, schema=schema).equals(FRAME)


def test_columns_that_are_missing_or_too_many_are_named():
    with pytest.raises(ResultError, match=r"lacks \['c'\] and has \['b'\] too"):
        stored(FRAME, schema={"a": pl.Int64, "c": pl.Int64})


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (pl.Int32, pl.Int64),
        (pl.UInt32, pl.Int64),
        (pl.UInt8, pl.UInt64),
        (pl.Float32, pl.Float64),
        (pl.Null, pl.Date),
        (pl.List(pl.Null), pl.List(pl.String)),
        (pl.List(pl.Int8), pl.List(pl.Int64)),
        (pl.Decimal(38, 0), pl.Int64),
        (pl.Datetime("us"), pl.Datetime),
    ],
)
@pytest.mark.parametrize("lazy", [False, True])
def test_types_that_lose_nothing_are_widened(found, wanted, lazy):
    frame = pl.DataFrame({"a": pl.Series([None], dtype=found)})
    assert stored(frame.lazy() if lazy else frame, schema={"a": wanted}).schema["a"] == wanted


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (pl.Int64, pl.Int32),
        (pl.UInt64, pl.Int64),
        (pl.Int8, pl.UInt64),
        (pl.Float64, pl.Float32),
        (pl.Int64, pl.Float64),
        (pl.Float64, pl.Int64),
        (pl.Int64, pl.String),
        (pl.Decimal(10, 2), pl.Int64),
        (pl.Datetime("us"), pl.Datetime("us", "UTC")),
        (pl.Datetime("ms"), pl.Datetime("us")),
    ],
)
def test_types_that_could_lose_something_are_refused(found, wanted):
    frame = pl.DataFrame({"a": pl.Series([None], dtype=found)})
    with pytest.raises(ResultError, match=r"the column 'a' is .* and the schema says"):
        stored(frame, schema={"a": wanted})


def test_a_sum_of_duckdb_is_an_integer_if_it_fits():
    schema = {"total": pl.Int64}
    fits = duckdb.sql("select sum(i) as total from range(5) t(i)")
    assert stored(fits, schema=schema)["total"].to_list() == [10]
    too_big = pl.DataFrame({"total": pl.Series([2**64], dtype=pl.Decimal(38, 0))})
    with pytest.raises(ResultError, match="cast it"):
        stored(too_big, schema=schema)


@pytest.mark.parametrize("lazy", [False, True])
def test_rows_are_sorted_as_declared_and_else_stay_as_returned(lazy):
    frame = FRAME.lazy() if lazy else FRAME
    assert stored(frame)["a"].to_list() == [2, 1]
    assert stored(frame, sort_by=("a",))["a"].to_list() == [1, 2]


def test_a_column_to_sort_by_that_is_not_there_is_named():
    with pytest.raises(ResultError, match=r"lacks \['z'\].*sort_by"):
        stored(FRAME, sort_by=("z",))


def test_python_objects_are_refused():
    with pytest.raises(ResultError, match="'o' holds Python objects"):
        stored(pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}))


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize(
    ("name", "problem"),
    [("Date", "in SQL the same as 'date'"), ("a\0b", "has a zero byte in its name")],
)
def test_a_column_that_sql_cannot_tell_apart_or_say_is_refused(name, problem, lazy):
    frame = pl.DataFrame({name: [1]})
    with pytest.raises(ResultError, match=problem):
        stored(frame.lazy() if lazy else frame)
