"""Files that say that they have more rows than they have are found out before they are read."""

from __future__ import annotations

import itertools
import os

import polars as pl
import pytest
from liars import OF_COLUMN, OF_FILE, OF_GROUP, write_liar

from partflow.errors import ReadError
from partflow.formats.parquet import Parquet, require_parquet, rows_in
from partflow.formats.text import require_text
from partflow.process.muffling import muffled

PLACES = [p for n in (1, 2, 3) for p in itertools.combinations((OF_FILE, OF_COLUMN, OF_GROUP), n)]


@pytest.mark.parametrize("says", [2**25, 2**31, 2**33, 2**60])
@pytest.mark.parametrize("where", [p for p in PLACES if p != (OF_COLUMN,)])
def test_a_file_that_has_not_the_rows_that_it_declares_is_a_read_error(tmp_path, says, where):
    path = tmp_path / "liar.parquet"
    write_liar(path, says, *where)
    for read in (rows_in, Parquet().fingerprint):
        with pytest.raises(ReadError, match=r"liar.parquet: says that it has [\d,]+ rows, and has"):
            read(path)


def test_a_file_with_many_equal_rows_in_few_bytes_is_believed_once_they_are_counted(tmp_path):
    path, rows = tmp_path / "equal.parquet", 2**25
    pl.select(pl.repeat(7, rows, dtype=pl.Int8).alias("seven")).write_parquet(path)
    assert path.stat().st_size < rows // 8
    assert rows_in(path) == rows


def test_a_file_without_rows_or_columns_has_none(tmp_path):
    path = tmp_path / "empty.parquet"
    for frame in (pl.DataFrame(), pl.DataFrame({"a": []})):
        frame.write_parquet(path)
        assert rows_in(path) == 0


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" * 4, b"\0" * 100])
def test_what_is_no_parquet_is_a_read_error(tmp_path, data):
    path = tmp_path / "none.parquet"
    path.write_bytes(data)
    with pytest.raises(ReadError, match="cannot be read"):
        rows_in(path)
    with pytest.raises(ReadError, match="no such file"):
        rows_in(tmp_path / "gone.parquet")


@pytest.mark.parametrize("kind", ["csv", "ndjson", "parquet"])
def test_a_file_of_which_most_was_never_written_is_refused_from_a_few_of_its_bytes(tmp_path, kind):
    path = tmp_path / f"cut.{kind}"
    path.write_bytes(b"PAR1" + b"store,qty\nn,1\n" * 10_000)
    os.truncate(path, 2**40)  # a terabyte would take an hour to read
    with pytest.raises(ReadError, match=r"cut.*cannot be read: (from its byte|it does not)"):
        (require_parquet if kind == "parquet" else require_text)(path)


@pytest.mark.parametrize("text", ["", "store,qty\n", "ü" * 100_000, "a\0b\n", "x" * 2**17])
def test_text_without_a_gap_is_let_through(tmp_path, text):
    path = tmp_path / "whole.csv"
    path.write_text(text, "utf-8")
    require_text(path)


def test_what_a_library_writes_to_stderr_is_dropped_with_an_error_and_else_shown(capfd):
    with muffled():
        os.write(2, b"a warning\n")

    def panic() -> None:
        with muffled():
            os.write(2, b"thread 'async-executor-0' panicked\nstack backtrace:\n")
            raise ValueError("no file")

    with pytest.raises(ValueError, match="no file"):
        panic()
    os.write(2, b"and on\n")
    assert capfd.readouterr().err == "a warning\nand on\n"
