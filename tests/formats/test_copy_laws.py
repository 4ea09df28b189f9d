"""A copy of a frame equals it, and shares no memory with it."""

from __future__ import annotations

import ctypes

import numpy as np
import polars as pl
import profiles  # noqa: F401 - no deadline: other work may slow an example down
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes

from partflow.formats.copies import Packed, copied, pack

NEWEST = pl.CompatLevel.newest()
TYPES = (
    pl.Int8, pl.Int64, pl.UInt16, pl.Float32, pl.Float64, pl.Boolean, pl.String, pl.Binary, pl.Date,
    pl.Time, pl.Datetime, pl.Duration, pl.Decimal, pl.Categorical, pl.Enum, pl.Null, pl.List,
    pl.Array, pl.Struct,
)  # fmt: skip
LARGE = 40 * 2**10


def overwritable(frame: pl.DataFrame) -> tuple[pl.DataFrame, bytearray]:
    """The frame over memory that is not polars', and that memory."""
    sink = pa.BufferOutputStream()
    table = frame.to_arrow(compat_level=NEWEST)
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    memory = bytearray(sink.getvalue())
    found = pl.from_arrow(pa.ipc.open_stream(pa.py_buffer(memory)).read_all(), rechunk=False)
    assert isinstance(found, pl.DataFrame)
    return found, memory


def overwrite(memory: bytearray) -> None:
    memory[:] = b"\x01" * len(memory)


@st.composite
def frames(draw: st.DrawFn) -> pl.DataFrame:
    """Small and larger ones, of one chunk or two, whole or cut."""
    frame = draw(dataframes(allowed_dtypes=TYPES, max_cols=3, min_size=1, max_size=6))
    if draw(st.booleans()) and frame.width:
        times = 1 + LARGE // max(1, int(frame.estimated_size()))
        frame = pl.concat([frame] * min(times, 20_000), rechunk=True)
    if draw(st.booleans()):
        frame = frame[draw(st.integers(0, frame.height)) :]
    if draw(st.booleans()):
        frame = pl.concat([frame, frame[:2]], rechunk=False)
    return frame


def is_wide(dtype: pl.DataType) -> bool:
    """Whether no array in it has the width 0: Arrow itself can't read such back."""
    if isinstance(dtype, pl.Array):
        return dtype.size > 0 and is_wide(dtype.inner)
    if isinstance(dtype, pl.List):
        return is_wide(dtype.inner)
    return not isinstance(dtype, pl.Struct) or all(is_wide(f.dtype) for f in dtype.fields)


@given(frames())
def test_a_copy_is_equal_and_shares_no_memory(frame: pl.DataFrame) -> None:
    if not all(is_wide(dtype) for dtype in frame.dtypes):
        return
    source, memory = overwritable(frame)
    packed = pack(source)
    assert packed is not None
    overwrite(memory)
    for copy in (packed.frame, packed.copy()):
        assert copy.schema == frame.schema
        assert_frame_equal(copy, frame)


def test_a_frame_that_was_not_copied_shows_what_is_written_into_its_memory() -> None:
    """So the law above would see a copy that is none."""
    source, memory = overwritable(pl.DataFrame({"x": [5, 6], "s": ["a long text", "x" * 40]}))
    shared = source.clone()
    overwrite(memory)
    assert shared["x"].to_list() == [0x0101010101010101] * 2


@pytest.mark.parametrize("rows", [3, 100_000])
def test_a_frame_over_a_numpy_buffer_is_copied(rows: int) -> None:
    buffer = np.zeros(rows)
    copy = copied(pl.DataFrame({"x": buffer}))
    buffer[:] = 7
    assert copy["x"].unique().to_list() == [0]


@pytest.mark.parametrize("dtype", [pl.Int128, pl.UInt128, pl.Float16])
@pytest.mark.parametrize("rows", [3, 10_000])
def test_types_that_arrow_does_not_know_are_copied(dtype: pl.DataType, rows: int) -> None:
    frame = pl.DataFrame({"x": pl.Series([1, None, 3] * rows).cast(dtype)})
    packed = pack(frame)
    assert packed is not None
    assert_frame_equal(packed.copy(), frame)


def test_arrays_of_no_width_are_copied() -> None:
    frame = pl.DataFrame({"x": pl.Series([[], []], dtype=pl.Array(pl.Int32, 0)), "y": [1, 2]})
    packed = pack(frame)
    assert packed is not None
    assert_frame_equal(packed.copy(), frame)


def test_what_holds_python_objects_is_not_copied_as_something_else() -> None:
    assert pack(pl.DataFrame({"x": pl.Series([object()], dtype=pl.Object)})) is None


def test_a_few_rows_of_many_are_copied_without_the_others() -> None:
    texts = pl.DataFrame({"x": [f"a long text that is number {i}" for i in range(100_000)]})
    packed = pack(pl.concat([texts[5:1005], texts[9000:9500]], rechunk=False))
    assert packed is not None
    assert packed.nbytes < 500_000


@pytest.mark.parametrize("rows", [3, 100_000])
def test_who_writes_into_the_memory_of_a_copy_changes_no_other_copy(rows: int) -> None:
    packed = pack(pl.DataFrame({"x": np.arange(rows)}))
    assert isinstance(packed, Packed)
    view = packed.copy()["x"].to_numpy()
    ctypes.memset(view.ctypes.data, 1, view.nbytes)  # as a library in C does
    assert packed.copy()["x"].to_list() == packed.frame["x"].to_list() == list(range(rows))
