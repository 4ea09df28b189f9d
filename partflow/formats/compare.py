"""Says in words what differs between two frames that should be equal.

Knows nothing of datasets or of why they were compared; that they differ is known already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partflow.formats.fingerprint import equal_within, fingerprint_frame

if TYPE_CHECKING:
    import polars as pl

_SHOWN = 5
# From the last bits of a float up to where no one would call it rounding.
_TOLERANCES = (1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6)


def difference(one: pl.DataFrame, other: pl.DataFrame, *, ordered: bool) -> str:
    """What differs: columns, rows, their order, or the columns whose values do."""
    if one.schema != other.schema:
        both = {**one.schema, **other.schema}
        names = [n for n in both if one.schema.get(n) != other.schema.get(n)]
        return f"other columns or types: {_listed(names)}" if names else "columns in another order"
    if one.height != other.height:
        return f"{one.height:,} rows and {other.height:,} rows"
    if ordered and fingerprint_frame(one) == fingerprint_frame(other):
        return "the same rows in another order: what sort_by names leaves ties open"
    names = [n for n in one.columns if _column(one, n) != _column(other, n)]
    if not names:
        return "the same values, put together to other rows"
    shown = f"other values in {_listed(names)}"
    enough = _tolerance(one, other, ordered=ordered)
    return f"{shown}; equal with float_tolerance={enough:g}" if enough else shown


def largest(one: pl.DataFrame, other: pl.DataFrame, *, ordered: bool) -> str:
    """The columns of two frames that are close, each with the tolerance that it needs."""
    found = []
    for name in one.columns:
        if _column(one, name) != _column(other, name):
            pair = (_with_order(one, name), _with_order(other, name))
            enough = _tolerance(*pair, ordered=ordered)
            found.append(f"{name} by up to {enough:g}" if enough else name)
    return _listed(found)


def _with_order(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """A column beside those that are no floats, so that the rows are paired as in the whole."""
    import polars.selectors as cs

    return frame.select(cs.exclude(cs.float()) | cs.by_name(name))


def _tolerance(one: pl.DataFrame, other: pl.DataFrame, *, ordered: bool) -> float | None:
    """The least power of ten that would take them for equal; None if it would be no rounding."""
    for tolerance in _TOLERANCES:
        if equal_within(one, other, tolerance, ordered=ordered):
            return tolerance
    return None


def _column(frame: pl.DataFrame, name: str) -> str:
    return fingerprint_frame(frame.select(name))


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
