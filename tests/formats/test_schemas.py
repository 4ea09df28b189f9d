"""Schemas as text, and the one schema that holds several."""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import pytest

from partflow.formats.parquet import Parquet
from partflow.formats.schemas import (
    after_lines,
    blank_lines_in,
    holding,
    is_unshown,
    schema_in,
    schema_text,
    united,
    united_by_rows,
    unshown,
)

TYPES = [
    pl.Int8(),
    pl.UInt64(),
    pl.Int128(),
    pl.Float32(),
    pl.String(),
    pl.Null(),
    pl.Datetime("ns", "Europe/Berlin"),
    pl.Datetime("ms"),
    pl.Duration("us"),
    pl.Decimal(20, 3),
    pl.Enum(["a", "it's"]),
    pl.Categorical(),
    pl.List(pl.Array(pl.Int8, 3)),
    pl.Map(pl.String, pl.List(pl.Datetime("us", "UTC"))),
    pl.Struct({"a b": pl.Date, "c": pl.List(pl.Struct({"d": pl.Time}))}),
]


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_a_schema_reads_back_from_its_text(kind):
    schema = {'it\'s "a" column': kind, "b": pl.Boolean()}
    assert schema_in(schema_text(schema)) == schema


@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_a_file_s_rows_have_the_types_that_its_footer_says(kind, tmp_path):
    path = tmp_path / "a.parquet"
    pl.DataFrame({"a b": [None, None]}, schema={"a b": kind}).write_parquet(path)
    assert Parquet().contents(path, is_small=True).schema == Parquet().schema_text(path)


def test_an_extension_type_is_what_it_is_stored_as():
    json = pl.DataFrame(pa.table({"j": pa.array(["{}"]).cast(pa.json_())})).schema
    assert schema_in(schema_text(json)) == {"j": pl.String()}


@pytest.mark.parametrize("is_shown", [True, False])
@pytest.mark.parametrize("lines", [0, 1, 3])
def test_a_schemas_text_tells_the_blank_lines_before_a_header(lines, is_shown):
    text = after_lines(schema_text({"a b": pl.String()}), lines)
    text = text if is_shown else unshown(text)
    assert (blank_lines_in(text), is_unshown(text)) == (lines, not is_shown)
    assert schema_in(text) == {"a b": pl.String()}


@pytest.mark.parametrize(
    "text",
    ["", "{}x", "[1]", '[["a","read_csv"]]', '[["a","DataFrame"]]', '[["a",["List"]]]', "[" * 9999],
)
def test_what_is_no_schema_is_refused(text):
    with pytest.raises(ValueError, match=r"schema|JSON|Expecting|Extra data"):
        schema_in(text)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (pl.Int8, pl.Int64, pl.Int64),
        (pl.UInt8, pl.Int8, pl.Int16),
        (pl.UInt32, pl.Int32, pl.Int64),
        (pl.UInt64, pl.Int64, None),
        (pl.Int64, pl.Float64, pl.Float64),
        (pl.Int32, pl.Float32, pl.Float64),
        (pl.Int16, pl.Float32, pl.Float32),
        (pl.Null, pl.String, pl.String),
        (pl.Decimal(10, 2), pl.Decimal(12, 4), pl.Decimal(12, 4)),
        (pl.Decimal(10, 2), pl.Int64, pl.Decimal(21, 2)),
        (pl.Decimal(38, 10), pl.Decimal(38, 2), None),
        (pl.Decimal(10, 2), pl.Float64, None),
        (pl.Categorical, pl.String, pl.String),
        (pl.Int64, pl.String, None),
        (pl.Date, pl.Datetime, None),
        (pl.Boolean, pl.Int8, None),
        (pl.Datetime("us"), pl.Datetime("us", "UTC"), None),
        (pl.Datetime("us", "Asia/Tokyo"), pl.Datetime("us", "UTC"), None),
        (pl.Datetime("ms", "UTC"), pl.Datetime("us", "UTC"), pl.Datetime("us", "UTC")),
        (pl.Datetime("ms"), pl.Datetime("us"), pl.Datetime("us")),
        (pl.Datetime("us"), pl.Datetime("ns"), None),
        (pl.Duration("us"), pl.Duration("ms"), pl.Duration("us")),
        (pl.Duration("ns"), pl.Duration("ms"), None),
        (pl.Duration("us"), pl.Datetime("ms"), None),
        (pl.List(pl.Int8), pl.List(pl.Int32), pl.List(pl.Int32)),
        (pl.List(pl.Int64), pl.List(pl.Float64), None),
        (pl.Struct({"a": pl.Null}), pl.Struct({"a": pl.Date}), pl.Struct({"a": pl.Date})),
        (pl.Struct({"a": pl.Int8}), pl.Struct({"b": pl.Int8}), None),
    ],
)
def test_a_type_holds_two_only_if_no_value_changes(one, other, both):
    kinds = [kind() if isinstance(kind, type) else kind for kind in (one, other)]
    assert holding(*kinds) == both
    assert holding(*reversed(kinds)) == both


def test_columns_come_in_the_order_in_which_they_first_appear():
    schema, clashes = united([(1, {"b": pl.Int8()}), (2, {"a": pl.Date(), "b": pl.Int16()})])
    assert (list(schema.items()), clashes) == ([("b", pl.Int16()), ("a", pl.Date())], [])


def test_a_clash_names_both_that_clash():
    _, (clash,) = united([("x", {"a": pl.Int8()}), ("y", {}), ("z", {"a": pl.String()})])
    assert (clash.column, clash.one, clash.other) == ("a", "x", "z")


def test_a_clash_names_who_has_the_type_and_not_who_has_nulls():
    kinds = {"null": pl.Null(), "narrow": pl.Int8(), "wide": pl.Int64(), "text": pl.String()}
    _, (clash,) = united([(name, {"a": kind}) for name, kind in kinds.items()])
    assert (clash.one, clash.other) == ("wide", "text")


def test_what_has_no_rows_has_no_say_where_types_clash():
    schemas = [("empty", {"a": pl.String()}), ("full", {"a": pl.Int8()})]
    schema, clashes = united_by_rows(schemas, lambda name: name == "full")
    assert (schema, clashes) == ({"a": pl.Int8()}, [])


def test_how_often_a_schema_is_there_without_rows_decides_nothing():
    wide, narrow = {"a": pl.UInt64()}, {"a": pl.Int8()}
    schemas = [("full", {"b": pl.Int8()}), (1, wide), (2, narrow)]
    heard = [
        united_by_rows(x, lambda name: name == "full") for x in (schemas, [*schemas, (3, wide)])
    ]
    assert heard[0] == heard[1]


def test_text_is_never_united():
    _, clashes = united([(1, {"a": pl.Int64()}), (2, {"a": pl.Float64()})], exact=True)
    assert len(clashes) == 1
