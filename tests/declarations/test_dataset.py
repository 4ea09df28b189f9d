"""Declarations of datasets by example, and what each form of read covers."""

from __future__ import annotations

from functools import partial

import polars as pl
import pytest

from partflow.declarations.dataset import Dataset, Read, Source
from partflow.declarations.mapping import Extent
from partflow.errors import DeclarationError
from partflow.partitions.calendar import Daily, Grain, Hourly, Monthly, Weekly, Whole

DAILY = Daily("2024-01-01")
BERLIN = Daily("2024-01-01", tz="Europe/Berlin")


def covered(read: Read, grain: Grain, key: str) -> str:
    """The first and the last key that one partition reads when it is 2025, or nothing."""
    line = read.dataset.grain
    extent = Extent(line.lo, line.hi)
    ordinal = grain.ordinal(key)
    horizon = line.due(line.moment("2025-01-01"))
    a, b = read.bounds(grain, ordinal, ordinal + 1, extent, horizon)
    keys = line.keys(int(a[0]), int(b[0])) if a[0] < b[0] else []
    return f"{keys[0]} .. {keys[-1]}" if keys else "nothing"


def days(start: str = "2024-01-01", end: str | None = None, tz: str = "UTC") -> Dataset:
    return Dataset("days", Daily(start, end, tz=tz))


@pytest.mark.parametrize(
    ("read", "grain", "key", "expected"),
    [
        (days().window(0, 0), DAILY, "2024-03-01", "2024-03-01 .. 2024-03-01"),
        (Read(days()), Monthly("2024-01"), "2024-02", "2024-02-01 .. 2024-02-29"),
        (Read(days()), Weekly("2024-01-01"), "2024-W09", "2024-02-26 .. 2024-03-03"),
        (Read(days()), Hourly("2024-01-01"), "2024-03-01T23", "2024-03-01 .. 2024-03-01"),
        (Read(days()), Whole(), "all", "2024-01-01 .. 2024-12-31"),
        (days().window(-6, 0), DAILY, "2024-03-01", "2024-02-24 .. 2024-03-01"),
        (days().window(-1, 1), Monthly("2024-01"), "2024-02", "2024-01-31 .. 2024-03-01"),
        (days().window(-6, 0), DAILY, "2024-01-03", "2024-01-01 .. 2024-01-03"),
        (days().window("-7d", "0d"), DAILY, "2024-03-08", "2024-03-01 .. 2024-03-08"),
        (days().window("-7d", "-1d"), DAILY, "2024-03-08", "2024-03-01 .. 2024-03-07"),
        (days().window("-1 months", "0d"), DAILY, "2024-03-31", "2024-03-01 .. 2024-03-31"),
        (days().window("-1month", "0d"), Monthly("2024-01"), "2024-03", "2024-02-01 .. 2024-03-31"),
        (days().window("-1w", "0d"), Weekly("2024-01-01"), "2024-W09", "2024-02-19 .. 2024-03-03"),
        (days().window("-36h", "0h"), DAILY, "2024-03-08", "2024-03-06 .. 2024-03-08"),
        (days().previous(), DAILY, "2024-03-01", "2024-02-29 .. 2024-02-29"),
        (days().previous(), DAILY, "2024-01-01", "nothing"),
        (days().previous(), Monthly("2024-01"), "2024-03", "2024-02-29 .. 2024-02-29"),
        (days().history(), Monthly("2024-01"), "2024-02", "2024-01-01 .. 2024-02-29"),
        (days().asof(), DAILY, "2024-03-01", "2024-02-29 .. 2024-02-29"),
        (days().asof(), Monthly("2024-01"), "2024-03", "2024-02-29 .. 2024-02-29"),
        (days(end="2024-02-10").asof(), DAILY, "2024-03-01", "2024-02-09 .. 2024-02-09"),
        (Dataset("w", Weekly("2024-01-01")).asof(), DAILY, "2024-03-03", "2024-W08 .. 2024-W08"),
        (Dataset("w", Weekly("2024-01-01")).asof(), DAILY, "2024-03-04", "2024-W09 .. 2024-W09"),
        (Read(Dataset("all_of_it", Whole())), DAILY, "2024-03-01", "all .. all"),
        (
            Dataset("w", Weekly("2024-01-01")).overlapping(),
            Monthly("2024-01"),
            "2024-03",
            "2024-W09 .. 2024-W13",
        ),
    ],
)
def test_a_read_covers_what_the_table_says(read, grain, key, expected) -> None:
    assert covered(read, grain, key) == expected


@pytest.mark.parametrize(
    ("key", "first", "last"),
    [
        # The clock goes from 2 to 3 in the night to the 31st, and back in that to 27 October.
        ("2024-03-31", "2024-03-30T23", "2024-03-31T21"),
        ("2024-10-27", "2024-10-26T22", "2024-10-27T22"),
    ],
)
def test_a_day_of_a_zone_reads_its_23_or_25_hours(key, first, last) -> None:
    hours = Dataset("hours", Hourly("2024-01-01", tz="Europe/Berlin"))
    assert covered(Read(hours), BERLIN, key) == f"{first} .. {last}"


@pytest.mark.parametrize("key", ["2024-03-31", "2024-04-01", "2024-10-27", "2024-10-28"])
def test_a_span_of_days_reads_as_many_local_days_across_a_change_of_the_clock(key) -> None:
    berlin = days(tz="Europe/Berlin")
    first, last = BERLIN.ordinal(key) - 2, BERLIN.ordinal(key)
    expected = f"{BERLIN.key(first)} .. {BERLIN.key(last)}"
    assert covered(berlin.window("-2d", "0d"), BERLIN, key) == expected


def test_a_span_of_hours_is_elapsed_time_across_a_change_of_the_clock() -> None:
    hours = Dataset("hours", Hourly("2024-01-01", tz="Europe/Berlin"))
    grain = hours.grain
    found = covered(hours.window("-24h", "0h"), grain, "2024-03-31T12")
    assert found == "2024-03-30T12 .. 2024-03-31T12"


def test_a_day_whose_midnight_does_not_exist_reads_just_the_day_before() -> None:
    grain = Daily("2018-10-01", tz="America/Sao_Paulo")
    read = Dataset("days", grain).window("-1d", "-1d")
    assert covered(read, grain, "2018-11-05") == "2018-11-04 .. 2018-11-04"
    assert covered(read, grain, "2018-11-04") == "2018-11-03 .. 2018-11-03"


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: Dataset("Sales", DAILY), "a name is a lower-case letter"),
        (lambda: Dataset("a" * 64, DAILY), "at most 63"),
        (lambda: Dataset("a", "daily"), "give it one such as Daily"),
        (lambda: Dataset("a", DAILY, format="xlsx"), "'xlsx' is not known; there are parquet"),
        (lambda: Dataset("a", DAILY, float_tolerance=-1.0), "it must be zero or more"),
        (lambda: Dataset("a", DAILY, schema={"date": pl.Date}), "choose another partition_column"),
        (lambda: Dataset("a", DAILY, schema={"n": pl.Int64}, sort_by="m"), "sort_by names 'm'"),
        (lambda: Dataset("a", DAILY, partition_column="a b"), "is not a plain column name"),
        (lambda: Source("a", DAILY), "a source needs a path"),
        (lambda: Source("a", DAILY, path="/in/{key}.csv"), "must be relative to the project"),
        (lambda: Source("a", DAILY, path="../{key}.csv"), "stay inside it"),
        (lambda: Source("a", DAILY, path="in/all.csv"), "must have {key} in it"),
        (lambda: Source("a", Whole(), path="in/{key}.csv"), "it has one file"),
        (
            lambda: Source("a", DAILY, path="in/{key}.txt"),
            "its format is not clear from 'in/{key}.txt'; give format=..., one of parquet, csv, nd",
        ),
        (
            lambda: Source("a", DAILY, path="in/{key}.csv", format="xlsx"),
            "format 'xlsx' is not known for a source; there are parquet, csv, ndjson",
        ),
        (lambda: Source("a", DAILY, path="in/*/{key}.csv"), "has a * in the name of a folder"),
        (lambda: Source("a", DAILY, path="in/{key}/**"), "has a **; one"),
        (lambda: Source("a", DAILY, path="in/{key}-?.csv"), "has a ?, which means nothing here"),
        (lambda: Source("a", DAILY, path="in/[0-9]{key}.csv"), "has a [, which means noth"),
        (lambda: Source("a", Whole(), path="*/shops.csv"), "has a * in the name of a folder"),
        (lambda: Source("a", DAILY, path="in\\{key}.csv"), "write / between folders"),
        (lambda: Source("a", DAILY, path="s3://in/{key}.csv"), "is an address; a source's files"),
        (lambda: Source("a", DAILY, path="file:///{key}.csv"), "is an address; a source's files"),
        (lambda: Source("a", DAILY, path="~/in/{key}.csv"), "must be relative to the project"),
        (lambda: days().window(0, -1), "the first lies after the last"),
        (lambda: days().window("7 days", "0d"), "'7 days' is not a span"),
        (lambda: days().window("-7d", 0), "give two whole numbers"),
    ],
)
def test_a_wrong_declaration_says_what_is_wrong_and_what_to_do(declare, message) -> None:
    with pytest.raises(DeclarationError) as raised:
        declare()
    assert message in str(raised.value)


def test_an_error_names_the_place_of_the_declaration() -> None:
    with pytest.raises(DeclarationError, match=r"^test_dataset\.py:\d+: dataset 'Sales'"):
        Dataset("Sales", DAILY)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("in/{key}.csv", "csv"), ("in/{key}.jsonl", "ndjson"), ("in/{key}.parquet", "parquet")],
)
def test_the_format_of_a_source_follows_from_its_ending(path, expected) -> None:
    assert Source("landing", DAILY, path=path).format == expected


@pytest.mark.parametrize(
    ("grain", "column"),
    [(DAILY, "date"), (Weekly("2024-01-01"), "week"), (Monthly("2024-01"), "month")],
)
def test_the_partition_column_is_named_by_the_grain(grain, column) -> None:
    assert Dataset("a", grain).column == column
    assert Dataset("a", grain, partition_column="at").column == "at"


def test_the_whole_has_no_partition_column() -> None:
    assert Dataset("a", Whole()).column is None


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"ID": pl.Int8, "id": pl.Int8}, "names 'ID' and 'id', which SQL does not tell apart"),
        ({"id": pl.Int128}, r"says Int128 of 'id', .*use pl.Decimal\(38, 0\) or pl.String"),
        ({"ids": pl.List(pl.UInt128)}, "says UInt128 of 'ids'"),
    ],
)
def test_a_schema_that_others_could_not_read_is_refused(schema, problem):
    with pytest.raises(DeclarationError, match=problem):
        Dataset("wide", Daily("2024-01-01"), schema=schema)
    assert Source("wide", Daily("2024-01-01"), path="{key}.parquet", schema=schema)


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        (
            pl.Enum,
            r"gives 'a' the type pl\.Enum, which needs arguments, such as pl\.Enum\(\['open'",
        ),
        (pl.List, r"such as pl\.List\(pl\.String\)"),
        (pl.Struct, "such as pl.Struct"),
        (pl.Array, "such as pl.Array"),
        (pl.List(pl.Struct), "the type pl.Struct, which needs arguments"),
        (pl.Struct({"x": pl.List(pl.Enum)}), "the type pl.Enum, which needs arguments"),
        (int, "gives 'a' the type int, which is no type of polars: write one such as pl.Int64"),
        ("Int64", "gives 'a' the type 'Int64', which is no type of polars"),
        (str, "the type str, which is no type"),
        (None, "the type None, which is no type"),
        (pl.Series([1]), "is no type of polars"),
        (pl.DataType, "which no file's column can have"),
        (pl.Object, "which no file's column can have"),
    ],
)
@pytest.mark.parametrize("declare", [partial(Source, path="{key}.csv"), Dataset])
def test_what_is_no_whole_type_of_polars_is_refused(declare, kind, problem):
    with pytest.raises(DeclarationError, match=problem):
        declare("raw", DAILY, schema={"n": pl.Int64, "a": kind})


def test_all_types_of_a_schema_that_are_wrong_are_said_at_once():
    both = r"gives 'a' the type int, .*; it gives 'b' the type str, "
    with pytest.raises(DeclarationError, match=both):
        Dataset("raw", DAILY, schema={"a": int, "b": str, "c": pl.Int64})


def test_a_column_whose_name_is_no_text_is_refused():
    with pytest.raises(DeclarationError, match="its schema names the column 1, which is no text"):
        Dataset("raw", DAILY, schema={1: pl.Int64})


BARE = (pl.Datetime, pl.Duration, pl.Categorical, pl.Decimal, pl.Date, pl.List(pl.Datetime))


@pytest.mark.parametrize("kind", BARE)
def test_a_type_that_needs_nothing_more_may_stand_without_brackets(kind):
    assert Dataset("raw", DAILY, schema={"a": kind}).schema == {"a": kind}
    assert Source("raw", DAILY, path="{key}.csv", schema={"a": kind}).schema == {"a": kind}


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("in/{key}.csv", "csv"),
        ("in/{key}.csv.gz", "csv"),
        ("in/{key}.jsonl.zst", "ndjson"),
        ("in/{key}.ndjson.gz", "ndjson"),
        ("in/{key}.json", "json"),
        ("in/{key}.json.gz", "json"),
        ("in/{key}.parquet", "parquet"),
    ],
)
def test_the_format_follows_from_the_ending_also_of_a_compressed_file(path, form) -> None:
    assert Source("a", DAILY, path=path).stored_as.name == form


@pytest.mark.parametrize("path", ["in/{key}.parquet.gz", "in/{key}.gz", "in/{key}.csv.gz.zst"])
def test_an_ending_that_tells_no_format_is_an_error(path) -> None:
    with pytest.raises(DeclarationError, match="its format is not clear"):
        Source("a", DAILY, path=path)
