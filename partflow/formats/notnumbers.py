"""Which statistics a Parquet file is to have: none that would hide a NaN from who reads it.

Knows nothing of how files are written. The least and the greatest value leave NaN out, so a reader
that skips by them misses it: DuckDB, where NaN is the greatest, does. polars can only leave them
out of all columns of a file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

WITHOUT_RANGES = {"min": False, "max": False}
"""No least and no greatest values; how many are null is told."""


def statistics_of(frame: pl.DataFrame) -> bool | dict[str, bool]:
    """The statistics for a frame: all that there are by default, unless it holds NaN."""
    return WITHOUT_RANGES if any(map(_may_hold_nan, frame.iter_columns())) else True


def streamed_nan(path: Path) -> bool:
    """Whether a Parquet file holds NaN, as far as it is to be known; its floats are read."""
    import polars as pl

    scan = pl.scan_parquet(path, hive_partitioning=False, glob=False)
    floats = [name for name, kind in scan.collect_schema().items() if kind.is_float()]
    if any(_is_nested_float(kind) for kind in scan.collect_schema().values()):
        return True
    if not floats:
        return False
    found = scan.select(pl.col(floats).is_nan().any()).collect(engine="streaming")
    return any(found.row(0))


def _may_hold_nan(column: pl.Series) -> bool:
    """Whether a column holds NaN; of floats within lists and structs it is taken for granted."""
    kind = column.dtype
    if kind.is_float():
        return bool(column.is_nan().any())
    return kind.is_nested() and _is_nested_float(kind)


def _is_nested_float(kind: pl.DataType) -> bool:
    return kind.is_nested() and "Float" in str(kind)
