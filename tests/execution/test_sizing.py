"""How large frames will be in memory, as their files say it; how large a batch may be."""

import datetime as dt

import polars as pl
import pytest

from partflow.errors import ReadError
from partflow.execution.sizing import BATCH, batch_bytes
from partflow.formats.known import table_named
from partflow.formats.parquet import Parquet

ROWS = 20_000
FRAMES = {
    "numbers": pl.DataFrame({"a": range(ROWS), "b": [0.5 * i for i in range(ROWS)]}),
    "one number again and again": pl.DataFrame({"a": [7] * ROWS, "b": [0.5] * ROWS}),
    "dates and moments": pl.DataFrame(
        {"a": [dt.date(2024, 1, 1)] * ROWS, "b": [dt.datetime(2024, 1, 1, tzinfo=dt.UTC)] * ROWS}
    ),
    "texts": pl.DataFrame({"a": [f"a text that is number {i}" for i in range(ROWS)]}),
    "one text again and again": pl.DataFrame({"a": ["a text of some length"] * ROWS}),
    "lists": pl.DataFrame({"a": [[1, 2, 3, 4]] * ROWS}),
    "fields": pl.DataFrame({"a": [{"x": 1, "y": 2.0}] * ROWS}),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_footer_tells_how_large_the_frame_will_be(tmp_path, name):
    path = tmp_path / "data.parquet"
    FRAMES[name].write_parquet(path)
    size = pl.read_parquet(path).estimated_size()
    assert 0.6 * size <= Parquet().memory(path) <= 2.5 * size


def test_a_file_many_times_smaller_than_its_frame_is_seen_through(tmp_path):
    path = tmp_path / "data.parquet"
    pl.select(a=pl.repeat(1, 1_000_000, dtype=pl.Int64), b=pl.repeat(2.0, 1_000_000)).write_parquet(
        path
    )
    assert path.stat().st_size < 100_000
    assert Parquet().memory(path) == 16_000_000


@pytest.mark.parametrize("name", ["numbers", "texts"])
@pytest.mark.parametrize("ending", ["csv", "ndjson"])
def test_the_memory_of_text_is_bounded_by_its_bytes_and_cells(tmp_path, ending, name):
    frame, path = FRAMES[name], tmp_path / f"data.{ending}"
    getattr(frame, f"write_{ending}")(path)
    memory = table_named(ending).memory(path)
    assert 0.9 * frame.estimated_size() <= memory <= 5 * frame.estimated_size()


def test_a_file_that_is_no_parquet_says_so(tmp_path):
    path = tmp_path / "data.parquet"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises((ReadError, OSError)):
        Parquet().memory(path)


@pytest.mark.parametrize(
    ("free", "jobs", "wanted"),
    [
        (None, 1, BATCH),
        (64 * BATCH, 1, BATCH),
        (64 * BATCH, 16, BATCH),
        (64 * BATCH, 32, BATCH // 2),
        (2 * BATCH, 1, BATCH // 2),
        (0, 4, 1),
    ],
)
def test_batches_side_by_side_share_what_is_free(free, jobs, wanted):
    assert batch_bytes(free, jobs) == wanted
