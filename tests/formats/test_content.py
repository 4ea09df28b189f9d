"""Content fingerprints: what is equal, what differs, and how nearly equal floats are told."""

from decimal import Decimal

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from partflow.errors import ReadError
from partflow.formats.fingerprint import (
    equal_within,
    file_digest,
    fingerprint_bytes,
    fingerprint_frame,
    fingerprint_parquet,
)


def of(values, dtype=None, *, ordered=False):
    return fingerprint_frame(pl.DataFrame({"a": pl.Series(values, dtype=dtype)}), ordered=ordered)


SALES = pl.DataFrame(
    {
        "store": ["a", "b", None, ""],
        "qty": [1, 2, 3, None],
        "price": [1.5, float("nan"), None, -0.0],
        "at": pl.Series([0, 1, 2, 3], dtype=pl.Datetime("us", "Europe/Berlin")),
        "tags": [["x", None], [], None, ["y"]],
    }
)


def test_the_text_is_a_way_and_thirty_two_hex_digits():
    way, _, digest = fingerprint_frame(SALES).partition(":")
    assert way.startswith("rows1-")
    assert len(way) == len("rows1-") + 8
    assert len(bytes.fromhex(digest)) == 16


def test_the_order_of_rows_does_not_count():
    assert fingerprint_frame(SALES.reverse()) == fingerprint_frame(SALES)


def test_the_order_of_rows_counts_if_asked():
    one = fingerprint_frame(SALES, ordered=True)
    other = fingerprint_frame(SALES.reverse(), ordered=True)
    assert one != other
    assert one.partition(":")[0] == other.partition(":")[0]


def test_ordered_and_unordered_fingerprints_are_made_in_different_ways():
    tags = {fingerprint_frame(SALES, ordered=o).partition(":")[0] for o in (False, True)}
    assert len(tags) == 2


def test_twice_the_same_row_is_not_once():
    assert of([1, 1]) != of([1])
    assert of([1, 1, 2]) != of([1, 2, 2])


def test_values_swapped_between_rows_are_seen():
    one = pl.DataFrame({"a": [1, 2], "b": [3, 4]})
    other = pl.DataFrame({"a": [1, 2], "b": [4, 3]})
    assert fingerprint_frame(one) != fingerprint_frame(other)


@pytest.mark.parametrize(
    ("one", "other", "dtype"),
    [
        ([0], [None], pl.Int64),
        ([""], [None], pl.String),
        ([b""], [None], pl.Binary),
        ([float("nan")], [None], pl.Float64),
        ([False], [None], pl.Boolean),
        ([[]], [None], pl.List(pl.Int64)),
        ([[None]], [None], pl.List(pl.Int64)),
        ([[None]], [[]], pl.List(pl.Int64)),
        ([[1, None]], [[1]], pl.List(pl.Int64)),
        ([[1, None]], [[None, 1]], pl.List(pl.Int64)),
        ([["ab", "c"]], [["a", "bc"]], pl.List(pl.String)),
        ([[""]], [[None]], pl.List(pl.String)),
        ([[[1], [2]]], [[[1, 2]]], pl.List(pl.List(pl.Int64))),
        ([[[]]], [[None]], pl.List(pl.List(pl.Int64))),
        ([{"x": None}], [None], pl.Struct({"x": pl.Int64})),
        ([[{"x": None}]], [[None]], pl.List(pl.Struct({"x": pl.Int64}))),
        ([{"x": 1, "y": 2}], [{"x": 2, "y": 1}], pl.Struct({"x": pl.Int64, "y": pl.Int64})),
        ([[1, 2]], [[2, 1]], pl.Array(pl.Int64, 2)),
        ([[None, None]], [None], pl.Array(pl.Int64, 2)),
        ([Decimal("1.10")], [Decimal("1.11")], pl.Decimal(10, 2)),
        ([2**64 + 1], [1], pl.Int128),
        (["a"], ["b"], pl.Categorical),
        (["a"], ["b"], pl.Enum(["a", "b"])),
        ([["a"]], [["b"]], pl.List(pl.Enum(["a", "b"]))),
        ([{"x": "a"}], [{"x": "b"}], pl.Struct({"x": pl.Categorical})),
    ],
)
def test_different_values_of_one_type_differ(one, other, dtype):
    assert of(one, dtype) != of(other, dtype)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pl.Int64, pl.Int32),
        (pl.Int64, pl.Float64),
        (pl.Int64, pl.Decimal(10, 0)),
        (pl.Decimal(10, 1), pl.Decimal(10, 2)),
        (pl.Datetime("us"), pl.Datetime("ms")),
        (pl.Datetime("us", "UTC"), pl.Datetime("us")),
        (pl.Datetime("us", "UTC"), pl.Datetime("us", "Asia/Tokyo")),
        (pl.Duration("us"), pl.Duration("ns")),
        (pl.List(pl.Int64), pl.Array(pl.Int64, 1)),
        (pl.String, pl.Categorical),
        (pl.Struct({"x": pl.Int64}), pl.Struct({"y": pl.Int64})),
        (pl.Enum(["a"]), pl.Enum(["a", "b"])),
    ],
)
def test_another_type_differs_even_without_rows(one, other):
    assert of([], one) != of([], other)


def test_the_name_and_the_order_of_columns_count():
    frame = pl.DataFrame({"a": [1], "b": [1]})
    assert fingerprint_frame(frame) != fingerprint_frame(frame.rename({"b": "c"}))
    assert fingerprint_frame(frame) != fingerprint_frame(frame.select("b", "a"))


def test_names_that_run_together_do_not_collide():
    one = pl.DataFrame({"a": [1], "bc": [1]})
    assert fingerprint_frame(one) != fingerprint_frame(one.rename({"a": "ab", "bc": "c"}))


def test_negative_zero_is_zero_and_every_nan_is_nan():
    bits = np.array([0x7FF8000000000001, 0xFFF8000000000000], dtype=np.uint64)
    assert of([-0.0]) == of([0.0])
    assert of([[-0.0]]) == of([[0.0]])
    assert of(bits[:1].view(np.float64)) == of(bits[1:].view(np.float64))


def test_categoricals_and_enums_count_by_value_and_not_by_code():
    backwards = pl.concat(
        [pl.Series(["b"], dtype=pl.Categorical), pl.Series(["a"], dtype=pl.Categorical)]
    )
    assert of(backwards) == of(["a", "b"], pl.Categorical)
    nested = pl.List(pl.Categorical)
    assert of([["b"], ["a"]], nested) == of([["a"], ["b"]], nested)


def test_what_lies_under_a_null_does_not_count():
    mask = pa.array([False, True])
    structs = [
        pa.StructArray.from_arrays([pa.array([1, x])], ["x"], mask=mask) for x in (2, 9, None)
    ]
    arrays = [
        pa.FixedSizeListArray.from_arrays(pa.array([1, 2, x, x]), 2, mask=mask) for x in (3, None)
    ]
    assert len({of(pl.Series(pl.from_arrow(each))) for each in structs}) == 1
    assert len({of(pl.Series(pl.from_arrow(each))) for each in arrays}) == 1


def test_python_objects_have_no_fingerprint():
    with pytest.raises(TypeError, match="Python objects"):
        of([object()], pl.Object)


def test_a_frame_without_columns_has_a_fingerprint():
    assert fingerprint_frame(pl.DataFrame()) != of([], pl.Int64)


@pytest.mark.parametrize("ordered", [False, True])
def test_a_file_has_the_fingerprint_of_its_frame_whoever_wrote_it(tmp_path, ordered):
    wanted = fingerprint_frame(SALES, ordered=ordered)
    paths = [tmp_path / f"{n}.tmp" for n in range(4)]
    SALES.write_parquet(paths[0], compression="lz4")
    SALES.write_parquet(paths[1], row_group_size=1)
    SALES.lazy().sink_parquet(paths[2])
    pq.write_table(SALES.to_arrow(), paths[3], row_group_size=3, compression="none")
    assert {fingerprint_parquet(each, ordered=ordered) for each in paths} == {wanted}


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("rows", [3, 4, 5])
def test_a_file_read_in_slices_has_the_fingerprint_of_the_whole(
    tmp_path, monkeypatch, rows, ordered
):
    monkeypatch.setattr("partflow.formats.fingerprint._ROWS_AT_ONCE", 2)
    frame = pl.DataFrame({"a": range(rows)})
    frame.write_parquet(tmp_path / "f", row_group_size=3)
    found = fingerprint_parquet(tmp_path / "f", ordered=ordered)
    assert found == fingerprint_frame(frame, ordered=ordered)


def test_a_damaged_file_and_a_missing_one_are_read_errors(tmp_path):
    path = tmp_path / "f.parquet"
    with pytest.raises(ReadError, match="no such file"):
        fingerprint_parquet(path)
    SALES.write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ReadError, match="cannot be read"):
        fingerprint_parquet(path)


def test_a_flipped_bit_in_the_pages_never_passes_as_the_same(tmp_path):
    path = tmp_path / "f.parquet"
    frame = pl.DataFrame({"a": range(1000)})
    frame.write_parquet(path, compression="uncompressed")
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(bytes(data))
    try:
        found = fingerprint_parquet(path)
    except ReadError:
        return
    assert found != fingerprint_frame(frame)


def test_bytes_have_a_way_of_their_own():
    assert fingerprint_bytes(b"x").startswith("bytes1:")
    assert fingerprint_bytes(b"x") != fingerprint_bytes(b"y")


def test_the_file_digest_is_the_sha256_and_the_size(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_digest(tmp_path / "f") == (digest, 3)


def test_floats_within_the_tolerance_are_equal_in_any_order():
    old = pl.DataFrame({"k": ["a", "b"], "v": [1.0, 1e9]})
    new = pl.DataFrame({"k": ["b", "a"], "v": [1e9 + 0.1, 1.0 + 1e-12]})
    assert equal_within(new, old, 1e-9)
    assert not equal_within(new, old, 1e-9, ordered=True)
    assert not equal_within(new, old, 1e-13)


def test_the_sum_of_floats_in_another_order_is_equal_within_a_tolerance():
    values = np.random.default_rng(7).random(10_000)
    old = pl.DataFrame({"total": [float(np.add.accumulate(values)[-1])]})
    new = pl.DataFrame({"total": [float(np.add.accumulate(values[::-1])[-1])]})
    assert fingerprint_frame(new) != fingerprint_frame(old)
    assert equal_within(new, old, 1e-12)


@pytest.mark.parametrize(
    ("new", "old"),
    [([None], [0.0]), ([float("nan")], [0.0]), ([float("inf")], [1e308]), ([1.0], [1.0, 1.0])],
)
def test_null_nan_infinity_and_count_are_never_within_a_tolerance(new, old):
    schema = {"v": pl.Float64}
    assert not equal_within(pl.DataFrame({"v": new}, schema), pl.DataFrame({"v": old}, schema), 0.5)


@pytest.mark.parametrize("values", [[None, 1.0], [float("nan")], [float("inf")], []])
def test_null_nan_and_infinity_are_equal_to_themselves(values):
    frame = pl.DataFrame({"v": values}, {"v": pl.Float64})
    assert equal_within(frame, frame.clone(), 0.0)


def test_what_is_no_float_is_compared_exactly():
    old = pl.DataFrame({"n": [1], "v": [1.0]})
    assert not equal_within(old.with_columns(n=pl.col("n") + 1), old, 10.0)
    assert not equal_within(old.with_columns(n=pl.col("n").cast(pl.Int32)), old, 10.0)


@pytest.mark.parametrize("dtype", [pl.List(pl.Float64), pl.Array(pl.Float64, 2)])
def test_floats_in_lists_are_within_the_tolerance_too(dtype):
    old = pl.DataFrame({"v": pl.Series([[1.0, None], None], dtype=dtype)})
    new = pl.DataFrame({"v": pl.Series([[1.0 + 1e-12, None], None], dtype=dtype)})
    assert equal_within(new, old, 1e-9)
    assert not equal_within(new, old, 1e-14)


def test_lists_of_other_lengths_are_not_equal():
    old = pl.DataFrame({"v": [[1.0], [2.0, 3.0]]})
    new = pl.DataFrame({"v": [[1.0, 2.0], [3.0]]})
    assert not equal_within(new, old, 1e-9)


def test_floats_in_structs_are_within_the_tolerance_too():
    old = pl.DataFrame({"v": [{"x": 1.0, "n": 1}, None]})
    new = pl.DataFrame({"v": [{"x": 1.0 + 1e-12, "n": 1}, None]})
    assert equal_within(new, old, 1e-9)
    assert not equal_within(new, old, 1e-14)
