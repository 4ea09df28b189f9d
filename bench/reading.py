"""What it costs to read CSV as it was delivered: counted, typed by rules of our own, beside polars.

    .venv/bin/python bench/reading.py [ROWS]

Four files: no last field is empty; some are, without quotation marks; with them; with line ends in
values, too.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl

from partflow.formats.csvtext import CsvFile, opened
from partflow.formats.fingerprint import file_digest
from partflow.formats.text import Csv

SCHEMA = {
    "id": pl.Int64(), "shop": pl.String(), "price": pl.Float64(), "pieces": pl.Int64(),
    "note": pl.String(), "last": pl.Int64(),
}  # fmt: skip
PLAIN, COMMA, LINE = "a longer text", "a longer text, with a comma", "a longer text\nof two lines"
TURNS = 7


def write(path: Path, rows: int, note: str, *, empty: bool) -> None:
    """A file of so many rows, in a third of which `note` stands."""
    dice = np.random.default_rng(0)
    last = pl.Series(dice.integers(0, 4, rows))
    pl.DataFrame(
        {
            "id": dice.integers(0, 10**9, rows),
            "shop": dice.choice(["north", "south", "east"], rows),
            "price": dice.random(rows).round(4) * 100,
            "pieces": dice.integers(1, 9, rows),
            "note": dice.choice(["x", "some text here", note], rows),
            "last": last.replace(0, None) if empty else last,
        }
    ).write_csv(path)


def least(call: Callable[[], object]) -> float:
    """The least wall time of some turns, in seconds."""
    times = []
    for _ in range(TURNS):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def counted(file: CsvFile) -> Callable[[], object]:
    """The count of the fields alone."""
    fields = pl.read_csv(file.source, infer_schema=False, glob=False)
    return lambda: file.blank(fields, ["shop", "note"])


def look(path: Path) -> None:
    """What a plan does with a file that it sees for the first time."""
    file_digest(path)
    Csv(SCHEMA).fingerprint(path)


def main(rows: int) -> None:
    """Print a row for each file."""
    heads = ("file", "MB", "polars", "read", "polars, schema", "read, schema", "look", "count")
    print(" | ".join(heads), "| of read | of read, schema | of look")
    with tempfile.TemporaryDirectory() as folder:
        for name, notes, empty in (
            ("full", COMMA, False), ("empty", PLAIN, True), ("quoted", COMMA, True),
            ("line ends in values", LINE, True),
        ):  # fmt: skip
            path = Path(folder) / "file.csv"
            write(path, rows, notes, empty=empty)
            plain = least(partial(pl.read_csv, path, infer_schema_length=None))
            typed = least(partial(pl.read_csv, path, schema=SCHEMA))
            read, fitted = (least(partial(Csv(s).read, path)) for s in (None, SCHEMA))
            looked = least(partial(look, path))
            count = least(counted(opened(path)))
            times = " | ".join(f"{t:.3f}" for t in (plain, read, typed, fitted, looked, count))
            shares = " | ".join(f"{count / (t - count):.2f}" for t in (read, fitted, looked))
            print(f"{name} | {path.stat().st_size / 1e6:.0f} | {times} | {shares}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600_000)
