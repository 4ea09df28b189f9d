"""What is handed over in memory is what reading the file gives, or it is not handed over."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import profiles  # noqa: F401 - no deadline: other work may slow an example down
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from polars.testing.parametric import dataframes

from partflow.formats.copies import Packed, pack
from partflow.formats.parquet import Parquet
from partflow.warehouse.handover import AsRead, HandOver, identity_of, round_trips

TYPES = (
    pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64, pl.Float32,
    pl.Float64, pl.Boolean, pl.String, pl.Binary, pl.Date, pl.Time, pl.Datetime, pl.Duration,
    pl.Decimal, pl.List, pl.Struct,
)  # fmt: skip


def packed(frame: pl.DataFrame) -> Packed:
    found = pack(frame)
    assert found is not None
    return found


def as_read(path: Path | str, way: str = "plain") -> AsRead:
    return AsRead(str(path), way)


@given(frame=dataframes(allowed_dtypes=TYPES, max_cols=4, max_size=6))
def test_a_type_that_is_handed_over_comes_back_from_a_file_as_it_was(
    frame: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> None:
    if not all(round_trips(each) for each in frame.dtypes):
        return
    path = tmp_path_factory.mktemp("frames") / "frame.parquet"
    Parquet().stage(frame, path, {})
    read = Parquet().read(path)
    assert read.schema == frame.schema
    assert_frame_equal(read, frame)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 60)), max_size=30))
def test_what_is_kept_stays_within_the_budget(rows: list[tuple[str, int]]) -> None:
    budget = 4000
    frames = HandOver(budget)
    for name, n in rows:
        frames.keep(as_read(name), (1, 1, 1), packed(pl.DataFrame({"x": range(n)})))
        assert frames._nbytes == sum(h.frame.nbytes for h in frames._held.values())
        assert frames._nbytes <= budget


def test_a_frame_is_handed_over_only_while_its_file_is_the_one_it_was_made_with(
    tmp_path: Path,
) -> None:
    frame = pl.DataFrame({"x": [1, 2]})
    staged, final = tmp_path / "staged", tmp_path / "final"
    Parquet().stage(frame, staged, {})
    frames = HandOver()
    frames.keep(as_read(final), identity_of(staged), packed(frame))
    assert frames.take(as_read(final)) is None
    staged.rename(final)
    found = frames.take(as_read(final))
    assert found is not None
    assert_frame_equal(found, frame)
    Parquet().stage(pl.DataFrame({"x": [3, 4]}), staged, {})
    staged.replace(final)
    assert frames.take(as_read(final)) is None


def test_a_file_that_was_edited_in_place_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    Parquet().stage(pl.DataFrame({"x": [1, 2]}), path, {})
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns - 2_000_000_000))  # as sealing does
    frames = HandOver()
    frames.keep(as_read(path), identity_of(path), packed(pl.DataFrame({"x": [1, 2]})))
    assert frames.take(as_read(path)) is not None
    with path.open("r+b") as file:
        file.write(b"PAR2")
    assert frames.take(as_read(path)) is None


def test_what_a_task_does_to_its_frame_does_not_reach_the_next_reader(tmp_path: Path) -> None:
    path = tmp_path / "file"
    frame = pl.DataFrame({"x": [1, 2]})
    Parquet().stage(frame, path, {})
    frames = HandOver()
    frames.keep(as_read(path), identity_of(path), packed(frame))
    first = frames.take(as_read(path))
    assert first is not None
    first.insert_column(0, pl.Series("y", [5, 6]))
    first.columns = ["a", "b"]
    second = frames.take(as_read(path))
    assert second is not None
    assert_frame_equal(second, pl.DataFrame({"x": [1, 2]}))


def test_a_frame_is_handed_over_only_to_who_would_read_the_file_in_the_same_way(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    texts, numbers = pl.DataFrame({"zip": ["007"]}), pl.DataFrame({"zip": [7]})
    path.write_text("zip\n007\n")
    frames = HandOver()
    frames.keep(as_read(path, "texts"), identity_of(path), packed(texts))
    assert frames.take(as_read(path, "numbers")) is None
    frames.keep(as_read(path, "numbers"), identity_of(path), packed(numbers))
    for way, wanted in (("texts", texts), ("numbers", numbers)):
        found = frames.take(as_read(path, way))
        assert found is not None
        assert_frame_equal(found, wanted)


def test_categories_are_read_from_the_file() -> None:
    assert not round_trips(pl.Categorical())
    assert not round_trips(pl.List(pl.Enum(["a"])))
    assert not round_trips(pl.Null())
