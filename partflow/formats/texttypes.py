"""Gives types to columns of text for which no schema is declared.

Knows nothing of files. A column gets the type that all of its values have: whole numbers, floats,
true and false, ISO dates or times. Any other column stays text; and so does a column of numbers if
one of them has a leading zero, because 007 is a name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from partflow.formats.fitting import Misfit, digits_lost, parsed

if TYPE_CHECKING:
    import polars as pl

RULES = 4
"""The number of these rules, and of the rules by which text files are checked.

It is recorded with the content of every file. Raise it with every change of how text is typed or
checked: then every file of text is read once more.
"""

_NUMBER = re.compile(r"[-+]?(?:\.?[0-9]|inf|NaN)")
_WHOLE = re.compile(r"-?[0-9]+")
_TIMES = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{2}:[0-9]{2}")
_FEW = 10_000
"""For so many values it costs more to call polars than to match a pattern."""
_NAMES = ("NaN", "inf", "-inf", "+inf")


def typed(frame: pl.DataFrame) -> pl.DataFrame:
    """A frame of text with each column as the type that all of its values have."""
    return frame.with_columns([_typed(column) for column in frame.iter_columns()])


def _typed(column: pl.Series) -> pl.Series:
    first = column.first(ignore_nulls=True)
    if not isinstance(first, str):
        return column
    if _NUMBER.match(first):
        numbers = _numbers(column, first)
        if numbers is not None:
            return numbers
    if first.lower() in {"true", "false"}:
        return _first_fit(column, [_boolean()])
    if _TIMES.match(first):
        return _first_fit(column, _times())
    return column


def _boolean() -> pl.DataType:
    import polars as pl

    return pl.Boolean()


def _times() -> list[pl.DataType]:
    import polars as pl

    units: list[pl.DataType] = [pl.Date()]
    units += [pl.Datetime("us"), pl.Datetime("us", "UTC")]
    units += [pl.Datetime("ns"), pl.Datetime("ns", "UTC"), pl.Time()]
    return units


def _first_fit(column: pl.Series, types: list[pl.DataType]) -> pl.Series:
    """The column as the first of these types that all values fit; else as it is."""
    import polars as pl

    if (column == "").any():
        return column  # A value in quotation marks that is empty is text.
    first = column.drop_nulls().head(1)
    dates = bool((column.str.len_bytes() == len("2024-01-31")).any())
    for each in types:
        if isinstance(each, pl.Datetime) and dates:
            continue  # Some values have a time of day and some have none.
        if isinstance(parsed(first, each), Misfit):
            continue
        fitted = parsed(column, each)
        if not isinstance(fitted, Misfit):
            return fitted
    return column


def _numbers(column: pl.Series, first: str) -> pl.Series | None:
    """The column as whole numbers or floats; None if a value is neither, or would lose digits."""
    import polars as pl

    nulls = column.null_count()
    if _WHOLE.fullmatch(first):
        numbers = column.cast(pl.Int64, strict=False)
        if numbers.null_count() > nulls:
            misfits = column.filter(numbers.is_null() & column.is_not_null())
            if misfits.str.contains(r"^-?[0-9]+$").all():
                numbers = column.cast(pl.Int128, strict=False)
        if numbers.null_count() == nulls:
            return None if _is_name(column) else numbers
    numbers = column.cast(pl.Float64, strict=False)
    if numbers.null_count() > nulls or _is_name(column) or digits_lost(column, numbers).any():
        return None
    odd = column.filter(~numbers.is_finite())
    return numbers if odd.is_in(_NAMES).all() else None


def _is_name(column: pl.Series) -> bool:
    """Whether a value looks like a number and is a name, as 007 or +49301234."""
    if column.len() > _FEW:  # A pattern is slow: it is tried on those that may match it.
        zeros = column.str.starts_with("0") | column.str.starts_with("-0")
        column = column.filter(zeros | column.str.starts_with("+"))
    return bool(column.str.contains(r"^(?:[-+]?0[0-9]|\+[0-9]+$)").any())
