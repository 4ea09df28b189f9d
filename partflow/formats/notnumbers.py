"""Says which statistics a Parquet file gets: none that would hide a NaN from its readers.

Knows nothing of how files are written. The least and greatest values in statistics do not count
NaN, so a reader that skips row groups by them can miss one. DuckDB does, which takes NaN for the
greatest float. polars can leave these statistics out only for all columns of a file together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

WITHOUT_RANGES = {"min": False, "max": False}
"""Statistics without least and greatest values; the number of nulls is kept."""


def statistics_of(frame: pl.DataFrame) -> bool | dict[str, bool]:
    """The statistics for a frame: the default ones, unless it may hold NaN."""
    return WITHOUT_RANGES if may_hold_nan(frame) else True


def may_hold_nan(frame: pl.DataFrame) -> bool:
    """Whether a frame may hold NaN; always True if it has floats in lists or structs."""
    return any(map(_may_hold_nan, frame.iter_columns()))


def _may_hold_nan(column: pl.Series) -> bool:
    """Whether a column may hold NaN; always True if it has floats in lists or structs."""
    kind = column.dtype
    if kind.is_float():
        return bool(column.is_nan().any())
    return kind.is_nested() and _is_nested_float(kind)


def _is_nested_float(kind: pl.DataType) -> bool:
    return kind.is_nested() and "Float" in str(kind)
