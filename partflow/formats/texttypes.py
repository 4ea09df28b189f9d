"""The types of columns of text that no schema types: what all values of a column are, else text.

Knows nothing of files. A column's type comes from its own values alone. Numbers, true and false,
and ISO dates and times are typed; all else stays the text that it is, and so do numbers one of
which has a leading zero: 007 is a name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from partflow.formats.fitting import Misfit, digits_lost, parsed

if TYPE_CHECKING:
    import polars as pl

RULES = 2
"""The number of these rules, and of those by which text files are checked.

It is recorded with what a file came to. Whoever changes how text is typed or checked raises it:
then every file of text is read once more.
"""

_NUMBER = re.compile(r"[-+]?(?:\.?[0-9]|inf|NaN)")
_WHOLE = re.compile(r"-?[0-9]+")
_TIMES = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{2}:[0-9]{2}")
_NAMES = ("NaN", "inf", "-inf", "+inf")


def typed(frame: pl.DataFrame) -> pl.DataFrame:
    """A frame of text with each column as the type that all of its values are."""
    return frame.with_columns([_typed(column) for column in frame.iter_columns()])


def _typed(column: pl.Series) -> pl.Series:
    first = column.first(ignore_nulls=True)
    if not isinstance(first, str):
        return column
    if _NUMBER.match(first):
        found = _numbers(column, first)
        if found is not None:
            return found
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
    """The column as the first of the types that it fits; as it is if there is none."""
    import polars as pl

    if (column == "").any():
        return column  # it is empty and in quotation marks: that is text
    first = column.drop_nulls().head(1)
    dates = bool((column.str.len_bytes() == len("2024-01-31")).any())
    for each in types:
        if isinstance(each, pl.Datetime) and dates:
            continue  # some have a clock and some have none
        if isinstance(parsed(first, each), Misfit):
            continue
        found = parsed(column, each)
        if not isinstance(found, Misfit):
            return found
    return column


def _numbers(column: pl.Series, first: str) -> pl.Series | None:
    """The column as whole numbers or as floats; None if it holds anything else."""
    import polars as pl

    nulls = column.null_count()
    if _WHOLE.fullmatch(first):
        found = column.cast(pl.Int64, strict=False)
        if found.null_count() > nulls:
            other = column.filter(found.is_null() & column.is_not_null())
            if other.str.contains(r"^-?[0-9]+$").all():
                found = column.cast(pl.Int128, strict=False)
        if found.null_count() == nulls:
            return None if _is_name(column) else found
    found = column.cast(pl.Float64, strict=False)
    if found.null_count() > nulls or _is_name(column) or digits_lost(column, found).any():
        return None
    odd = column.filter(~found.is_finite())
    return found if odd.is_in(_NAMES).all() else None


def _is_name(column: pl.Series) -> bool:
    """Whether a number in it is a name: 007, or +49301234."""
    zeros = column.str.starts_with("0") | column.str.starts_with("-0")
    signed = column.str.starts_with("+")
    names = column.filter(zeros | signed).str.contains(r"^(?:[-+]?0[0-9]|\+[0-9]+$)")
    return bool(names.any())
