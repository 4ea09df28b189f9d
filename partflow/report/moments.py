"""Writes values of Arrow as text that Python has no type for: infinite dates, far years.

Knows nothing of queries. The text is as DuckDB writes it.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY = 86_400
_CYCLE, _CYCLE_BEGINS = 146_097, date(2000, 1, 1)
"""The number of days in 400 years, and the first day of such a cycle."""
_SINCE_1970 = (_CYCLE_BEGINS - date(1970, 1, 1)).days
_ENDLESS = {2**31 - 1: "infinity", -(2**31) + 1: "-infinity"}
_ENDLESS |= {2**63 - 1: "infinity", -(2**63) + 1: "-infinity"}


def values_of(column: pa.Array) -> list[object]:
    """The values of a column as Python's own; as text where Python has no such value."""
    import pyarrow as pa

    try:
        values: list[object] = column.to_pylist()
    except (OverflowError, ValueError, pa.ArrowInvalid):
        return [_value(scalar) for scalar in column]
    return values


def _value(scalar: Any) -> object:
    import pyarrow as pa

    try:
        return scalar.as_py()
    except (OverflowError, ValueError, pa.ArrowInvalid):
        kind = scalar.type
    if pa.types.is_struct(kind):
        return {name: _value(value) for name, value in scalar.items()}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind):
        return [_value(value) for value in scalar.values]
    number = int(scalar.value)
    if number in _ENDLESS:
        return _ENDLESS[number]
    if pa.types.is_date32(kind):
        return _day(number)
    return _moment(number, _UNITS[kind.unit]) + ("+00:00" if kind.tz else "")


def _moment(number: int, unit: int) -> str:
    seconds, fraction = divmod(number, unit)
    days, seconds = divmod(seconds, _DAY)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    digits = f".{fraction:0{len(str(unit)) - 1}}" if fraction else ""
    return f"{_day(days)} {clock}{digits}"


def _day(days: int) -> str:
    """The date so many days after 1970-01-01, in any year: the calendar repeats every 400 years."""
    cycles, rest = divmod(days - _SINCE_1970, _CYCLE)
    day = _CYCLE_BEGINS + timedelta(days=rest)
    year = day.year + 400 * cycles
    text = f"{year if year > 0 else 1 - year:04}-{day:%m-%d}"
    return text if year > 0 else f"{text} (BC)"
