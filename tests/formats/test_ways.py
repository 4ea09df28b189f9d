"""The way in which a dataset's file is read: equal where everything that decides it is equal."""

import polars as pl
import pytest

from partflow.declarations.dataset import Dataset, Source
from partflow.formats.known import way_of
from partflow.partitions.calendar import Daily

DAYS = Daily("2024-01-01")
SCHEMA = {"zip": pl.String, "at": pl.Datetime("us")}


def source(**given):
    return Source("landing", DAYS, **{"path": "landing/{key}.csv", "schema": SCHEMA, **given})


@pytest.mark.parametrize(
    "other",
    [
        {"schema": None},
        {"schema": {**SCHEMA, "zip": pl.Int64}},
        {"schema": {**SCHEMA, "at": pl.Datetime("ms")}},
        {"schema": {"zip": pl.String}},
        {"schema": dict(reversed(SCHEMA.items()))},
        {"format": "ndjson"},
        {"format": "parquet"},
    ],
)
def test_another_schema_or_format_is_another_way(other):
    assert way_of(source()) != way_of(source(**other))


def test_the_names_the_grain_and_the_path_are_no_part_of_the_way():
    other = Source("other", Daily("2025-01-01", tz="Asia/Tokyo"), path="x/{key}.csv", schema=SCHEMA)
    assert way_of(source()) == way_of(other)


def test_other_trusted_types_are_another_way():
    plain = Dataset("model", DAYS, format="skops")
    assert way_of(plain) != way_of(Dataset("model", DAYS, format="skops", trusted=("shop.Model",)))


@pytest.mark.parametrize(
    "dtype",
    [
        pl.Enum(["a"]), pl.Decimal(10, 2), pl.List(pl.Struct({"x": pl.Int8})), pl.Categorical(),
        pl.Array(pl.Int8, 2), pl.Datetime,
    ],
)  # fmt: skip
def test_a_schema_of_any_type_has_a_way(dtype):
    declared = source(schema={"x": dtype})
    assert way_of(declared) == way_of(source(schema={"x": dtype}))
    assert {way_of(declared): 1}
