"""Turns a column into a wanted type, from text or from another type, or says what does not fit.

Knows nothing of files or of datasets. No value changes by it: a value that would lose digits, a
fraction of a second or its zone does not fit. Dates and times in text are read as ISO 8601 only:
whether 01/02 is in January or in February a file does not say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from partflow.formats.fingerprint import type_text

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    _Read = Callable[[pl.Series, pl.DataType], pl.Series | "Misfit"]

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_CLOCK = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
_OFFSET = r"(?:Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)"
_LIKE_OFFSET = r"(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)"
_YEARS_IN_NS = (1678, 2261)
_DIGITS = {"ms": 3, "us": 6, "ns": 9}
_SHOWN = 60
_EXACT = {"Float64": 15, "Float32": 7, "Float16": 3}
"""Every whole number of up to this many digits is a float of the type."""
_ISO_ONLY = "only ISO dates and times are read by themselves: declare pl.String, and in a task say "
_ZONED = "declare pl.Datetime('us', 'UTC') for moments with an offset"
_NAIVE = "declare pl.Datetime('us'), and in a task say .dt.replace_time_zone('...')"


@dataclass(frozen=True, slots=True)
class Misfit:
    """Why a column does not fit a type: the first value that does not, and what to do."""

    problem: str
    advice: str = "mend the file, or declare a type that holds it"


def parsed(column: pl.Series, wanted: pl.DataType) -> pl.Series | Misfit:
    """A column of text as the wanted type; empty text is null, unless that type is text, too."""
    import polars as pl

    if wanted == column.dtype:
        return column
    if column.dtype.is_nested():
        return _nested(column, wanted)
    if isinstance(wanted, (pl.Categorical, pl.Enum)):
        return _whole(column, column.cast(wanted, strict=False), wanted)
    if (column == "").any():
        column = column.replace("", None)
    values = _of_text(column, wanted)
    if values is None:
        problem = f"text is not read as {type_text(wanted)}"
        return Misfit(problem, "declare pl.String, and make more of it in a task")
    whole = _whole(column, values, wanted)
    if isinstance(whole, Misfit) and wanted.is_numeric():
        bare = _of_text(column.str.strip_chars(), wanted)
        return whole if bare is None else _whole(column, bare, wanted)
    return whole


def _nested(column: pl.Series, wanted: pl.DataType) -> pl.Series | Misfit:
    """Lists and structs of text as the wanted type, which has to be nested in the same way."""
    import polars as pl

    match wanted:
        case pl.Struct():
            return _fields_read(column, wanted, parsed)
        case pl.Array():
            sizes = column.list.len()
            odd = sizes.filter(sizes != wanted.size)
            if len(odd):
                return Misfit(f"a list of {odd[0]} is no {type_text(wanted)}")
            listed = _nested(column, pl.List(wanted.inner))
            return listed if isinstance(listed, Misfit) else listed.list.to_array(wanted.size)
        case pl.List():
            return _values_read(column, wanted, parsed)
        case _:
            return Misfit(f"it is {type_text(column.dtype)}, and no {type_text(wanted)}")


def _fields_read(column: pl.Series, wanted: pl.Struct, read: _Read) -> pl.Series | Misfit:
    """A struct whose fields are read as the wanted ones; the Misfit of the first that is not."""
    import polars as pl

    parts = [read(column.struct.field(f.name), f.dtype) for f in wanted.fields]  # type: ignore[arg-type]
    misfit = next((part for part in parts if isinstance(part, Misfit)), None)
    if misfit is not None:
        return misfit
    return _where(pl.DataFrame(parts).to_struct(column.name), column.is_not_null())


def _values_read(column: pl.Series, wanted: pl.List, read: _Read) -> pl.Series | Misfit:
    """Lists whose values are read as the wanted ones; a Misfit if any is not."""
    import polars as pl

    inner: pl.DataType = wanted.inner  # type: ignore[assignment]
    values = read(column.explode(empty_as_null=False, keep_nulls=False), inner)
    if isinstance(values, Misfit):
        return values
    each = pl.element().map_batches(
        lambda values: read(values, inner), return_dtype=inner, is_elementwise=True
    )
    return column.list.eval(each)


def is_bridged(kind: pl.DataType, wanted: pl.DataType) -> bool:
    """Whether values of a type are read as the wanted one at all; single ones may not fit."""
    import polars as pl

    return not isinstance(bridged(pl.Series([], dtype=kind), wanted), Misfit)


def bridged(column: pl.Series, wanted: pl.DataType) -> pl.Series | Misfit:
    """A column as another type of the same kind: of numbers, text, moments or spans, or lists."""
    import polars as pl

    have = column.dtype
    if have == wanted:
        return column
    if have == pl.Null:
        return column.cast(wanted)
    if not _are_kin(have, wanted):
        problem = f"it is {type_text(have)}, and the schema says {type_text(wanted)}"
        return Misfit(problem, "declare the type that the files have")
    if have.is_nested() and _hold_digits(have, wanted):
        return _bridged_within(column, wanted)
    try:
        way = _by_digits if _hold_digits(have, wanted) else _by_value
        cast, lost = way(column, wanted)
    except pl.exceptions.PolarsError:
        problem = f"{type_text(have)} cannot be made {type_text(wanted)}"
        return Misfit(problem, "declare the type that the files have")
    if not lost.any():
        return cast
    value = _first(column, lost)
    return Misfit(f"{value!r} is no {type_text(wanted)}", "declare a type that holds it")


def _by_value(column: pl.Series, wanted: pl.DataType) -> tuple[pl.Series, pl.Series]:
    """A column as another type, and a mask of the values that do not come back from it."""
    cast = column.cast(wanted, strict=False)
    return cast, column.ne_missing(cast.cast(column.dtype, strict=False))


def _by_digits(column: pl.Series, wanted: pl.DataType) -> tuple[pl.Series, pl.Series]:
    """Decimals as floats or floats as decimals, and a mask of those whose digits are not kept.

    A float stands for the shortest number that is read as it, as it does wherever it is shown.
    polars calculates with floats from one to the other, and is off in the last digits.
    """
    import polars as pl

    texts = _shown(column)
    exact = texts.cast(pl.Float64, strict=False)
    if isinstance(wanted, pl.Decimal):
        cast = texts.cast(wanted, strict=False)
        return cast, exact.ne_missing(_shown(cast).cast(pl.Float64))
    cast = exact.cast(wanted) if wanted == pl.Float16() else texts.cast(wanted, strict=False)
    shown = _shown(cast)
    lost = exact.ne_missing(shown.cast(pl.Float64))
    return cast, lost | column.ne_missing(shown.cast(column.dtype, strict=False))


def _shown(numbers: pl.Series) -> pl.Series:
    """Decimals and floats as texts with all their digits; those of Float16 as of Float32."""
    import polars as pl

    wide = numbers.cast(pl.Float32) if numbers.dtype == pl.Float16 else numbers
    return wide.cast(pl.String)


def _hold_digits(have: pl.DataType, wanted: pl.DataType) -> bool:
    """Whether there are decimals in one of two types of one kind where the other has floats."""
    import polars as pl

    if isinstance(have, pl.Struct) and isinstance(wanted, pl.Struct):
        pairs = zip(have.fields, wanted.fields, strict=True)
        return any(_hold_digits(a.dtype, b.dtype) for a, b in pairs)  # type: ignore[arg-type]
    if isinstance(have, (pl.List, pl.Array)) and isinstance(wanted, (pl.List, pl.Array)):
        return _hold_digits(have.inner, wanted.inner)  # type: ignore[arg-type]
    return (have.is_decimal() and wanted.is_float()) or (have.is_float() and wanted.is_decimal())


def _bridged_within(column: pl.Series, wanted: pl.DataType) -> pl.Series | Misfit:
    """Lists, arrays or structs as a type that is nested in the same way."""
    import polars as pl

    match wanted:
        case pl.Struct():
            return _fields_read(column, wanted, bridged)
        case pl.Array():
            if column.dtype.shape != wanted.shape:  # type: ignore[attr-defined]
                return Misfit(f"it is {type_text(column.dtype)}, and no {type_text(wanted)}")
            listed = _bridged_within(column.arr.to_list(), pl.List(wanted.inner))
            return listed if isinstance(listed, Misfit) else listed.list.to_array(wanted.size)
        case pl.List():
            return _values_read(column, wanted, bridged)
        case _:
            raise AssertionError(f"BUG: {wanted!r} is not nested")


def _whole(column: pl.Series, values: pl.Series, wanted: pl.DataType) -> pl.Series | Misfit:
    """The values that were read from a column of text, if that is all of them; else a Misfit."""
    lost = column.is_not_null() & values.is_null()
    return _misfit(_first(column, lost), wanted) if lost.any() else values


def _first(column: pl.Series, which: pl.Series) -> str:
    """The first value that `which` marks, as text cut to 60 characters."""
    import polars as pl

    first = column.filter(which).head(1)
    moments = (pl.Date, pl.Datetime, pl.Time)  # In ISO format; polars has no text for spans.
    first = first.cast(pl.String) if isinstance(first.dtype, moments) else first
    value = str(first.to_list()[0])
    return value if len(value) <= _SHOWN else f"{value[:_SHOWN]}..."


def _misfit(value: str, wanted: pl.DataType) -> Misfit:
    import polars as pl

    problem = f"{value!r} is no {type_text(wanted)}"
    if isinstance(wanted, pl.Date):
        return Misfit(problem, f"{_ISO_ONLY}.str.to_date('%d/%m/%Y')")
    if isinstance(wanted, pl.Time):
        return Misfit(problem, f"{_ISO_ONLY}.str.to_time('%H.%M')")
    if isinstance(wanted, pl.Datetime):
        return _no_moment(value, wanted)
    return Misfit(problem)


def _no_moment(value: str, wanted: pl.Datetime) -> Misfit:
    """Why text is no moment of a type: it is not ISO, or has more or less than the type has."""
    kind, is_zoned = type_text(wanted), wanted.time_zone is not None
    problem = f"{value!r} is no {kind}"
    if is_zoned and re.fullmatch(_DATE, value):
        return Misfit(f"{value!r} is a date alone, and is no {kind}", "declare pl.Date")
    parts = re.fullmatch(f"({_DATE})(?:[T ]({_CLOCK})({_LIKE_OFFSET})?)?", value)
    if parts is None:
        return Misfit(problem, f"{_ISO_ONLY}.str.to_datetime('%d/%m/%Y %H:%M')")
    if parts[3] and not is_zoned:
        return Misfit(problem, _ZONED)
    if is_zoned and not parts[3]:
        return Misfit(f"{value!r} has no offset, and is no {kind}", _NAIVE)
    if parts[3] and not re.fullmatch(_OFFSET, parts[3]):
        return Misfit(f"{problem}: there is no offset {parts[3]}", "mend the file")
    if len((parts[2] or "").partition(".")[2].rstrip("0")) > _DIGITS[wanted.time_unit]:
        return Misfit(problem, "declare finer units, such as pl.Datetime('ns')")
    if wanted.time_unit == "ns" and not _is_in_ns(value):
        return Misfit(problem, "declare units that reach so far, such as pl.Datetime('us')")
    return Misfit(f"{problem}: there is no such day or time", "mend the file")


def _is_in_ns(value: str) -> bool:
    """Whether the year of an ISO date lies within the years that nanoseconds can hold."""
    first, last = _YEARS_IN_NS
    return first <= int(value[:4]) <= last


def _of_text(column: pl.Series, wanted: pl.DataType) -> pl.Series | None:
    """The values that text gives for a type, null where it gives none; None for other types."""
    import polars as pl

    if isinstance(wanted, pl.Decimal):
        rest = rf"\.[0-9]{{{wanted.scale}}}0*[1-9]"
        values = column.cast(wanted, strict=False)
        return _where(values, ~column.str.contains(rest) & ~column.str.contains(r"[eE]"))
    if wanted.is_float():
        return _floats(column, wanted)
    if wanted.is_numeric():
        return column.cast(wanted, strict=False)
    if isinstance(wanted, pl.Boolean):
        small = column.str.to_lowercase()
        return _where(small == "true", small.is_in(["true", "false"]))
    if isinstance(wanted, pl.Date):
        values = column.str.to_date("%Y-%m-%d", strict=False)
        return _where(values, column.str.contains(f"^{_DATE}$"))
    if isinstance(wanted, pl.Time):
        filled = _seconds(column, 5)
        return _where(
            filled.str.to_time("%H:%M:%S%.f", strict=False), column.str.contains(f"^{_CLOCK}$")
        )
    if isinstance(wanted, pl.Datetime):
        return _moments(column, wanted)
    return None


def _floats(column: pl.Series, wanted: pl.DataType) -> pl.Series:
    """Text as floats; null for a number that is too large, or would lose digits."""
    floats = column.cast(wanted, strict=False)
    if (infinite := floats.is_infinite()).any():
        floats = _where(floats, ~infinite | column.str.contains(r"(?i)^\s*[-+]?inf(inity)?\s*$"))
    return _where(floats, ~digits_lost(column, floats))


def digits_lost(column: pl.Series, floats: pl.Series) -> pl.Series:
    """A mask of the whole numbers in text whose float in `floats` is another number."""
    import polars as pl

    long = column.str.len_bytes() > _EXACT[type(floats.dtype).__name__]
    if not long.any():
        return pl.zeros(len(column), pl.Boolean, eager=True)
    long &= column.str.contains(r"^[-+]?[0-9]+$") & floats.is_not_null()
    # A number that not even Int128 holds has lost digits in any case.
    whole = column.cast(pl.Int128, strict=False)
    differs = whole.ne_missing(floats.cast(pl.Int128, strict=False)) | whole.is_null()
    return (long & differs).fill_null(value=False)


def _moments(column: pl.Series, wanted: pl.Datetime) -> pl.Series:
    """Text as moments; null where it is none.

    If the type has a zone, the text must have an offset; otherwise it must have none, and a date
    alone is its midnight.
    """
    import polars as pl

    unit: Any = wanted.time_unit
    if wanted.time_zone is None:
        clock = column.str.contains(f"^{_DATE}(?:[T ]{_CLOCK})?$")
        filled = pl.select(
            pl.when(column.str.len_bytes() == 10).then(column + "T00:00:00").otherwise(column)  # noqa: PLR2004 - the length of a date
        ).to_series()
        return _where(_naive(filled, unit), clock)
    clock = column.str.contains(f"^{_DATE}[T ]{_CLOCK}{_OFFSET}$")
    base = column.str.replace(f"{_OFFSET}$", "")
    parts = column.str.extract_groups(r"([+-])([0-9]{2}):?([0-9]{2})?$").struct.unnest()
    sign = (parts["1"] == "-").cast(pl.Int64) * -2 + 1
    hours = parts["2"].cast(pl.Int64, strict=False)
    minutes = parts["3"].cast(pl.Int64, strict=False).fill_null(0)
    offset = (sign * (hours * 60 + minutes)).fill_null(0)
    offset = pl.select(pl.when(column.str.ends_with("Z")).then(0).otherwise(offset)).to_series()
    span = (offset * 60 * 10 ** _DIGITS[unit]).cast(pl.Duration(unit))
    zoned = (
        (_naive(base, unit) - span)
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone(wanted.time_zone)
    )
    return _where(zoned, clock)


def _naive(column: pl.Series, unit: Any) -> pl.Series:
    """ISO text without an offset as moments in a unit; null if it is finer, or out of range."""
    import polars as pl

    filled = _seconds(column.str.replace(" ", "T", literal=True), 16)
    moments = filled.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit=unit, strict=False)
    finer = filled.str.contains(rf"\.[0-9]{{{_DIGITS[unit]}}}0*[1-9]")
    if unit == "ns":  # Years before 1678 and after 2261 would wrap around.
        finer |= ~filled.str.slice(0, 4).cast(pl.Int32, strict=False).is_between(*_YEARS_IN_NS)
    leap = filled.str.contains(":60", literal=True)
    return _where(moments, ~finer & ~leap)


def _seconds(column: pl.Series, length: int) -> pl.Series:
    """Times with seconds: `:00` is added to those of that length, which end with the minutes."""
    import polars as pl

    short = column.str.len_bytes() == length
    if not short.any():
        return column
    return pl.select(pl.when(short).then(column + ":00").otherwise(column)).to_series()


def _where(values: pl.Series, holds: pl.Series) -> pl.Series:
    """The values where the mask `holds` is true, null elsewhere."""
    if holds.all():
        return values
    return values.set(~holds.fill_null(value=True), None)


def _are_kin(first: pl.DataType, second: pl.DataType) -> bool:
    """Whether two types are of the same kind, as two units of time or two widths of numbers."""
    import polars as pl

    if isinstance(first, (pl.List, pl.Array)) and isinstance(second, (pl.List, pl.Array)):
        return isinstance(first, pl.List) == isinstance(second, pl.List) and _are_kin(
            first.inner,  # type: ignore[arg-type]
            second.inner,  # type: ignore[arg-type]
        )
    if isinstance(first, pl.Struct) and isinstance(second, pl.Struct):
        pairs = zip(first.fields, second.fields, strict=False)
        same = [f.name for f in first.fields] == [f.name for f in second.fields]
        return same and all(_are_kin(a.dtype, b.dtype) for a, b in pairs)  # type: ignore[arg-type]
    if isinstance(first, pl.Datetime) and isinstance(second, pl.Datetime):
        return (first.time_zone is None) == (second.time_zone is None)
    texts = (pl.String, pl.Categorical, pl.Enum)
    if isinstance(first, texts) and isinstance(second, texts):
        return True
    if isinstance(first, pl.Duration) and isinstance(second, pl.Duration):
        return True
    return first in {pl.Null(), second} or (first.is_numeric() and second.is_numeric())
