"""What it costs to read CSV as it was delivered: counted, typed by rules of our own, beside polars.

    .venv/bin/python bench/reading.py [ROWS]

Three files: no last field is empty; some are, without quotation marks; some are, with them.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from partflow.content import file_digest
from partflow.csvtext import CsvFile, opened
from partflow.formats import Csv

SCHEMA = {
    "id": pl.Int64, "shop": pl.String, "price": pl.Float64, "pieces": pl.Int64, "note": pl.String,
    "last": pl.Int64,
}  # fmt: skip
TURNS = 7


def write(path: Path, rows: int, *, empty: bool, quoted: bool) -> None:
    """A file of so many rows."""
    dice = np.random.default_rng(0)
    notes = ["x", "some text here", "a longer text, with a comma" if quoted else "a longer text"]
    last = pl.Series(dice.integers(0, 4, rows))
    pl.DataFrame(
        {
            "id": dice.integers(0, 10**9, rows),
            "shop": dice.choice(["north", "south", "east"], rows),
            "price": dice.random(rows).round(4) * 100,
            "pieces": dice.integers(1, 9, rows),
            "note": dice.choice(notes, rows),
            "last": last.replace(0, None) if empty else last,
        }
    ).write_csv(path)


def least(call: Callable[[], object]) -> float:
    """The least wall time of some turns, in seconds."""
    found = []
    for _ in range(TURNS):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return min(found)


def counted(file: CsvFile) -> Callable[[], object]:
    """The count of the fields alone."""
    fields = pl.read_csv(file.source, infer_schema=False, glob=False)
    return lambda: file.blank(fields, ["shop", "note"])


def main(rows: int) -> None:
    """Print a row for each file."""
    heads = ("file", "MB", "polars", "read", "polars, schema", "read, schema", "look", "count")
    print(" | ".join(heads), "| of read | of read, schema | of look")
    with tempfile.TemporaryDirectory() as folder:
        for name, empty, quoted in (
            ("full", False, True), ("empty", True, False), ("quoted", True, True)
        ):  # fmt: skip
            path = Path(folder) / f"{name}.csv"
            write(path, rows, empty=empty, quoted=quoted)
            plain = least(lambda p=path: pl.read_csv(p, infer_schema_length=None))
            typed = least(lambda p=path: pl.read_csv(p, schema=SCHEMA))
            read, fitted = (least(lambda p=path, s=s: Csv(s).read(p)) for s in (None, SCHEMA))
            look = least(lambda p=path: (file_digest(p), Csv(SCHEMA).fingerprint(p)))
            count = least(counted(opened(path)))
            times = " | ".join(f"{t:.3f}" for t in (plain, read, typed, fitted, look, count))
            shares = " | ".join(f"{count / (t - count):.2f}" for t in (read, fitted, look))
            print(f"{name} | {path.stat().st_size / 1e6:.0f} | {times} | {shares}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 600_000)
