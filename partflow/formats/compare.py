"""Says in words what differs between two frames that should be equal.

Knows nothing of datasets, or of why the frames are compared. The caller knows that they differ.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partflow.formats.fingerprint import equal_within, fingerprint_frame

if TYPE_CHECKING:
    import polars as pl

_SHOWN = 5
# From the last bits of a float up to differences that nobody would call rounding.
_TOLERANCES = (1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6)


def difference(first: pl.DataFrame, second: pl.DataFrame, *, ordered: bool) -> str:
    """What differs: the columns, the number of rows, their order, or values in some columns."""
    if first.schema != second.schema:
        both = {**first.schema, **second.schema}
        names = [n for n in both if first.schema.get(n) != second.schema.get(n)]
        return f"other columns or types: {_listed(names)}" if names else "columns in another order"
    if first.height != second.height:
        return f"{first.height:,} rows and {second.height:,} rows"
    if ordered and fingerprint_frame(first) == fingerprint_frame(second):
        return "the same rows in another order: what sort_by names leaves ties open"
    names = [n for n in first.columns if _column(first, n) != _column(second, n)]
    if not names:
        return "the same values, put together to other rows"
    shown = f"other values in {_listed(names)}"
    enough = _tolerance(first, second, ordered=ordered)
    return f"{shown}; equal with float_tolerance={enough:g}" if enough else shown


def largest(first: pl.DataFrame, second: pl.DataFrame, *, ordered: bool) -> str:
    """Of two frames that are close the columns that differ, with the tolerance that each needs."""
    named = []
    for name in first.columns:
        if _column(first, name) != _column(second, name):
            pair = (_with_order(first, name), _with_order(second, name))
            enough = _tolerance(*pair, ordered=ordered)
            named.append(f"{name} by up to {enough:g}" if enough else name)
    return _listed(named)


def _with_order(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """A column and all columns without floats, so that rows are paired as in the whole frame."""
    import polars.selectors as cs

    return frame.select(cs.exclude(cs.float()) | cs.by_name(name))


def _tolerance(first: pl.DataFrame, second: pl.DataFrame, *, ordered: bool) -> float | None:
    """The smallest of `_TOLERANCES` at which the frames are equal; None if there is none."""
    for tolerance in _TOLERANCES:
        if equal_within(first, second, tolerance, ordered=ordered):
            return tolerance
    return None


def _column(frame: pl.DataFrame, name: str) -> str:
    return fingerprint_frame(frame.select(name))


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
