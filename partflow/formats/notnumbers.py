"""Says which statistics a Parquet file gets: none that would hide a NaN from its readers.

Knows nothing of how files are written. The least and greatest values in statistics do not count
NaN, so a reader that skips row groups by them can miss one. DuckDB does, which takes NaN for the
greatest float. polars can leave these statistics out only for all columns of a file together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

WITHOUT_RANGES = {"min": False, "max": False}
"""Statistics without least and greatest values; the number of nulls is kept."""


def statistics_of(frame: pl.DataFrame) -> bool | dict[str, bool]:
    """The statistics for a frame: the default ones, unless it may hold NaN."""
    return WITHOUT_RANGES if any(map(_may_hold_nan, frame.iter_columns())) else True


def streamed_nan(path: Path) -> bool:
    """Whether a Parquet file may hold NaN; its columns of floats are read for it.

    Floats in lists and structs are not read: then it is always True.
    """
    import polars as pl

    scan = pl.scan_parquet(path, hive_partitioning=False, glob=False)
    floats = [name for name, kind in scan.collect_schema().items() if kind.is_float()]
    if any(_is_nested_float(kind) for kind in scan.collect_schema().values()):
        return True
    if not floats:
        return False
    holds_nan = scan.select(pl.col(floats).is_nan().any()).collect(engine="streaming")
    return any(holds_nan.row(0))


def _may_hold_nan(column: pl.Series) -> bool:
    """Whether a column may hold NaN; always True if it has floats in lists or structs."""
    kind = column.dtype
    if kind.is_float():
        return bool(column.is_nan().any())
    return kind.is_nested() and _is_nested_float(kind)


def _is_nested_float(kind: pl.DataType) -> bool:
    return kind.is_nested() and "Float" in str(kind)
