"""Frames: many files as one, with their partition column, in the form that was asked for."""

import datetime as dt
import hashlib
import subprocess
import sys
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from partflow.declarations.parameters import ParameterKind
from partflow.errors import ReadError
from partflow.formats.connections import Relations
from partflow.formats.fingerprint import fingerprint_frame
from partflow.formats.frames import PartitionColumn, explain, read_frames, read_objects, stage_frame
from partflow.formats.known import table_named
from partflow.formats.parquet import Parquet
from partflow.formats.skops import Skops

LAZY, EAGER = ParameterKind.LAZY, ParameterKind.EAGER
DAYS = tuple(dt.date(2026, 3, day) for day in (1, 2, 3))
SCHEMA = {"qty": pl.Int64}


@pytest.fixture
def days(tmp_path):
    """Three days' Parquet files, laid out as in a warehouse."""
    paths = []
    for n, day in enumerate(DAYS):
        path = tmp_path / f"date={day}" / "data.parquet"
        path.parent.mkdir()
        pl.DataFrame({"qty": [10 * n, 10 * n + 1]}).write_parquet(path)
        paths.append(path)
    return paths


def read(paths, column=None, form="parquet", schema=None, kind=EAGER):
    frame = read_frames(paths, column, table_named(form, schema), kind)
    return frame.collect() if isinstance(frame, pl.LazyFrame) else frame


@pytest.mark.parametrize("kind", [LAZY, EAGER])
@pytest.mark.parametrize("schema", [None, SCHEMA])
@pytest.mark.parametrize("count", [1, 3])
def test_the_partition_column_comes_last_and_typed_in_order(days, kind, schema, count):
    frame = read(days[:count], PartitionColumn("date", DAYS[:count]), schema=schema, kind=kind)
    assert frame.schema == {"qty": pl.Int64, "date": pl.Date}
    assert frame["date"].to_list() == [day for day in DAYS[:count] for _ in range(2)]
    assert frame["qty"].to_list() == [0, 1, 10, 11, 20, 21][: 2 * count]


def test_partitions_are_read_in_the_order_given(days):
    frame = read(days[::-1], PartitionColumn("date", DAYS[::-1]))
    assert frame["date"].unique(maintain_order=True).to_list() == list(DAYS[::-1])


@pytest.mark.parametrize("count", [1, 2])
def test_the_partition_column_of_hours_is_a_moment_in_the_zone(days, count):
    zone = ZoneInfo("Europe/Berlin")
    # The hour that is twice on the clock: both must stay what they are.
    hours = tuple(dt.datetime(2026, 10, 25, 2, fold=fold, tzinfo=zone) for fold in (0, 1))
    frame = read(days[:count], PartitionColumn("hour", hours[:count], zone="Europe/Berlin"))
    assert frame.schema["hour"] == pl.Datetime("us", "Europe/Berlin")
    moments = frame["hour"].dt.convert_time_zone("UTC").unique(maintain_order=True).to_list()
    assert moments == [each.astimezone(dt.UTC) for each in hours[:count]]


@pytest.mark.parametrize("count", [1, 2])
def test_a_column_of_that_name_in_a_source_stands(tmp_path, count):
    paths = [tmp_path / f"{n}.csv" for n in range(count)]
    for path in paths:
        path.write_text("date,qty\nyesterday,1\n")
    column = PartitionColumn("date", DAYS[:count])
    for kind in (LAZY, EAGER):
        frame = read(paths, column, "csv", kind=kind)
        assert frame.columns == ["date", "qty"]
        assert frame["date"].to_list() == ["yesterday"] * count


@pytest.mark.parametrize("form", ["csv", "ndjson"])
@pytest.mark.parametrize("schema", [None, SCHEMA])
@pytest.mark.parametrize("kind", [LAZY, EAGER])
def test_text_files_are_read_as_one(tmp_path, form, schema, kind):
    text = {"csv": "qty\n{}\n", "ndjson": '{{"qty":{}}}\n'}[form]
    paths = [tmp_path / f"{day}.{form}" for day in DAYS]
    for n, path in enumerate(paths):
        path.write_text(text.format(n))
    frame = read(paths, PartitionColumn("date", DAYS), form, schema, kind)
    assert frame.equals(pl.DataFrame({"qty": [0, 1, 2], "date": DAYS}))


def test_text_files_whose_types_differ_ask_for_a_schema(tmp_path):
    one, other = tmp_path / "1.csv", tmp_path / "2.csv"
    one.write_text("qty\n1\n")
    other.write_text("qty\nmany\n")
    with pytest.raises(ReadError) as caught:
        read([one, other], form="csv")
    for part in (str(one), str(other), "'qty'", "String", "Int64", "schema"):
        assert part in str(caught.value)
    frame = read([one, other], form="csv", schema={"qty": pl.String})
    assert frame["qty"].to_list() == ["1", "many"]


def test_a_text_file_without_rows_has_no_say_in_the_types(tmp_path):
    one, other = tmp_path / "1.csv", tmp_path / "2.csv"
    one.write_text("qty\n")
    other.write_text("qty\n1\n")
    assert read([one, other], form="csv").equals(pl.DataFrame({"qty": [1]}))


def test_a_text_file_that_lacks_a_column_is_named(tmp_path):
    one, other = tmp_path / "1.ndjson", tmp_path / "2.ndjson"
    one.write_text('{"a":1,"b":2}\n')
    other.write_text('{"a":1}\n')
    with pytest.raises(ReadError, match=r"2\.ndjson: column 'b' is missing"):
        read([one, other], form="ndjson")


def test_parquet_files_whose_types_differ_are_named(days):
    pl.DataFrame({"qty": ["many"]}).write_parquet(days[1])
    with pytest.raises(ReadError, match=r"'qty' is String.*Int64.*schema"):
        read(days)
    assert explain(days, Parquet()).path == str(days[1])


def test_a_damaged_file_among_many_is_named(days):
    days[2].write_bytes(b"not parquet at all")
    with pytest.raises(ReadError, match=r"date=2026-03-03.*cannot be read"):
        read(days, PartitionColumn("date", DAYS))


def test_nothing_is_explained_where_nothing_is_wrong(days):
    assert explain(days, Parquet()) is None


def test_no_files_give_an_empty_frame_of_the_schema():
    frame = read([], PartitionColumn("date", ()), schema=SCHEMA, kind=LAZY)
    assert frame.height == 0
    assert frame.schema == {"qty": pl.Int64, "date": pl.Date}
    hours = PartitionColumn("hour", (), zone="Asia/Tokyo")
    assert read([], hours, schema=SCHEMA).schema["hour"] == pl.Datetime("us", "Asia/Tokyo")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_each_kind_gets_its_own_type(days, count):
    column = PartitionColumn("date", DAYS[:count])
    wanted = read(days[:count], column, schema=SCHEMA)

    def as_kind(kind):
        return read_frames(days[:count], column, Parquet(schema=SCHEMA), kind)

    assert isinstance(as_kind(LAZY), pl.LazyFrame)
    arrow = as_kind(ParameterKind.ARROW)
    assert isinstance(arrow, pa.Table)
    assert pl.DataFrame(arrow).equals(wanted)
    relation = as_kind(ParameterKind.DUCKDB)
    assert isinstance(relation, duckdb.DuckDBPyRelation)
    assert relation.pl().equals(wanted)
    assert as_kind(ParameterKind.PATHS) == days[:count]


def test_two_relations_of_one_task_can_be_joined(days):
    with Relations() as relations:
        sales, again = (
            read_frames(days[:1], None, Parquet(), ParameterKind.DUCKDB, relations)
            for _ in range(2)
        )
        assert len(sales.join(again, "qty")) == 2
        joined = duckdb.sql("select count(*) from sales join again using (qty)")
        assert joined.fetchall() == [(2,)]


def test_files_that_are_not_frames_are_objects(tmp_path):
    pytest.importorskip("skops", reason="the extra `flagship`")
    paths = [tmp_path / str(n) for n in range(2)]
    for n, path in enumerate(paths):
        Skops().write({"n": n}, path)
    assert read_objects(paths, Skops()) == [{"n": 0}, {"n": 1}]
    assert read_objects(paths[:1], Skops()) == {"n": 0}
    assert read_objects([], Skops()) is None


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("lazy", [False, True])
def test_what_is_staged_is_known(tmp_path, ordered, lazy):
    frame = pl.DataFrame({"a": [3, 1, 2]})
    path = tmp_path / "1.tmp"
    held, sha256 = stage_frame(frame.lazy() if lazy else frame, path, {"k": "v"}, ordered)
    assert held.rows == 3
    assert held.content == fingerprint_frame(frame, ordered=ordered)
    assert sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert read([path]).equals(frame)


def test_no_heavy_library_is_imported_before_it_is_needed():
    code = """if True:
        import sys
        from partflow.execution.attempt import results
        from partflow.formats import fingerprint, frames, known
        from partflow.declarations.parameters import kind_of
        kind_of("pl.LazyFrame")
        print(sorted({"polars", "pyarrow", "duckdb", "skops"} & set(sys.modules)))
    """
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
