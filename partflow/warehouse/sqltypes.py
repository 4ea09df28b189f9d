"""Says which of DuckDB's types shows a polars type, and by which SQL expression.

Knows nothing of files or views: a type and an expression come in, text of SQL comes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from partflow.formats.connections import quoted, quoted_name
from partflow.formats.schemas import is_rounded

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    _Change = Callable[[pl.DataType, str], str | None]

_NAMES = {
    "Int8": "TINYINT", "Int16": "SMALLINT", "Int32": "INTEGER", "Int64": "BIGINT",
    "UInt8": "UTINYINT", "UInt16": "USMALLINT", "UInt32": "UINTEGER", "UInt64": "UBIGINT",
    "Int128": "HUGEINT", "UInt128": "UHUGEINT", "Float16": "FLOAT", "Float32": "FLOAT",
    "Float64": "DOUBLE", "Boolean": "BOOLEAN", "Binary": "BLOB", "Date": "DATE",
    "Time": "TIME_NS", "Duration": "INTERVAL", "Null": '"NULL"',
}  # fmt: skip
_PARTS = {"ms": ("to_milliseconds", 1), "us": ("to_microseconds", 1)}
_BYTES = 16
_LARGEST_HALF = 65504
"""The largest number of a Float16, which holds 11 bits of each number."""


def sql_type(kind: Any, *, words: bool = False) -> str:
    """The name of DuckDB's type that shows a polars type; an Enum is shown as text.

    With `words` an Enum has DuckDB's type of just its words.
    """
    import polars as pl

    kind = kind() if isinstance(kind, type) else kind
    match kind:
        case pl.Enum() if words:
            return f"ENUM({', '.join(map(quoted, kind.categories.to_list()))})"
        case pl.Datetime():
            zoned, fine = kind.time_zone is not None, kind.time_unit == "ns"
            names = ("TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS")
            return names[2 * zoned + fine]
        case pl.Decimal():
            return f"DECIMAL({kind.precision},{kind.scale})"
        case pl.List() | pl.Array():
            return f"{sql_type(kind.inner, words=words)}[]"
        case pl.Map():
            key, value = (sql_type(each, words=words) for each in (kind.key, kind.value))
            return f"MAP({key}, {value})"
        case pl.Struct():
            types = [(f.name, sql_type(f.dtype, words=words)) for f in kind.fields]
            fields = (f"{quoted_name(name)} {own}" for name, own in types)
            return f"STRUCT({', '.join(fields)})"
        case _:
            return _NAMES.get(type(kind).__name__, "VARCHAR")


def text_type(kind: pl.DataType) -> str:
    """The type as which DuckDB is to read a column of text that polars reads as `kind`."""
    import polars as pl

    if isinstance(kind, pl.Enum):
        return sql_type(kind, words=True)
    plain = {"Time": "TIME", "Null": "VARCHAR", "Datetime": sql_type(kind).replace("TZ_NS", "TZ")}
    return plain.get(type(kind).__name__) or sql_type(kind)


def is_stored_so(kind: pl.DataType) -> bool:
    """Whether DuckDB reads a type from Parquet as the type that shows it, without an expression."""
    return _changed(kind, "x", _stored) is None


def stored(kind: pl.DataType, expression: str) -> str:
    """An expression for a value from a Parquet file, as the type that shows it."""
    return _changed(kind, expression, _stored) or expression


def _stored(kind: pl.DataType, expression: str) -> str | None:
    """As `stored`, for types that are not nested; None if the value needs no expression."""
    import polars as pl

    if isinstance(kind, pl.Duration):
        return _interval(kind, expression)
    if kind == pl.Time or kind == pl.Datetime(
        "ms"
    ):  # which others store in coarser units, or as dates
        return f"cast({expression} as {sql_type(kind)})"
    if type(kind).__name__ in {"Int128", "UInt128"}:
        return _huge(expression, signed=type(kind).__name__ == "Int128")
    return None


def _changed(kind: Any, expression: str, change: _Change) -> str | None:
    """The expression with `change` applied to each value in it; None if nothing is changed.

    It is applied to single values, also within lists, maps and structs.
    """
    import polars as pl

    kind = kind() if isinstance(kind, type) else kind
    if isinstance(kind, pl.List | pl.Array):
        inner = _changed(kind.inner, "x", change)
        return inner and f"list_transform({expression}, lambda x: {inner})"
    if isinstance(kind, pl.Map):
        return _changed_map(kind, expression, change)
    if isinstance(kind, pl.Struct):
        whole = {f.name: f"struct_extract({expression}, {quoted(f.name)})" for f in kind.fields}
        changed = {f.name: _changed(f.dtype, whole[f.name], change) for f in kind.fields}
        if not any(changed.values()):
            return None
        fields = (f"{quoted_name(n)} := {changed[n] or part}" for n, part in whole.items())
        return f"case when {expression} is not null then struct_pack({', '.join(fields)}) end"
    return change(kind, expression)


def _changed_map(kind: Any, expression: str, change: _Change) -> str | None:
    changed = [_changed(each, "x", change) for each in (kind.key, kind.value)]
    if changed == [None, None]:
        return None
    parts = [
        part if each is None else f"list_transform({part}, lambda x: {each})"
        for part, each in zip(
            (f"map_keys({expression})", f"map_values({expression})"), changed, strict=True
        )
    ]
    return f"case when {expression} is not null then map({', '.join(parts)}) end"


def of_text(kind: pl.DataType, expression: str, error: str) -> str:
    """An expression for text in a CSV file as the type that shows it.

    `error` is the SQL for a text that is no value of the type. Empty text is null, unless the type
    is text, too; so it is where tasks read it.
    """
    import polars as pl

    if isinstance(kind, pl.String | pl.Categorical):
        return expression
    cast = f"try_cast({expression} as {sql_type(kind, words=True)})"
    if isinstance(kind, pl.Enum):
        no_word = f"{expression} is not null and {cast} is null"
        return f"case when {no_word} then {error} else {expression} end"
    odd = f"{expression} <> '' and {cast} is null"
    if kind.is_integer():  # DuckDB would round it.
        odd += "".join(f" or contains({expression}, '{letter}')" for letter in ".eE")
    if isinstance(kind, pl.Decimal):
        odd += f" or regexp_matches({expression}, '[.][0-9]{{{kind.scale}}}0*[1-9]|[eE]')"
    return f"case when {odd} then {error} else {cast} end"


def text_of_json(expression: str) -> str:
    """An expression for the text of a JSON value; a fraction of `.0` is left out."""
    return f"regexp_replace(json_extract_string({expression}, '$'), '^(-?[0-9]+)[.]0$', '\\1')"


def of_json(expression: str, error: str) -> str:
    """An expression for a JSON value as the text that tasks get for it.

    `error` is the SQL for values whose text SQL cannot write as polars does: lists, objects, and
    very large and very small numbers.
    """
    text = f"json_extract_string({expression}, '$')"
    number = f"case when contains({text}, 'e') then {error} else {text_of_json(expression)} end"
    return (
        f"case json_type({expression}) when 'DOUBLE' then {number} "
        f"when 'OBJECT' then {error} when 'ARRAY' then {error} else {text} end"
    )


def widened(kind: pl.DataType, wanted: pl.DataType, expression: str, error: str) -> str:
    """The expression as a wider type; `error` is the SQL for a value that would lose digits."""
    if sql_type(kind) == sql_type(wanted):
        return expression
    cast = f"cast({expression} as {sql_type(wanted)})"
    if not is_rounded(kind, wanted):
        return cast
    same = f"cast({cast} as HUGEINT) = {expression}"
    return f"case when {expression} is null or {same} then {cast} else {error} end"


def unchanged(kind: pl.DataType, wanted: pl.DataType, expression: str, error: str) -> str:
    """The expression as another type; `error` for a value that differs when it is cast back."""
    cast = f"try_cast({expression} as {sql_type(wanted, words=True)})"
    held = _changed(wanted, cast, _rounded) or cast
    same = f"try_cast({held} as {sql_type(kind)}) is not distinct from {expression}"
    return f"case when {same} then cast({cast} as {sql_type(wanted)}) else {error} end"


def _rounded(kind: pl.DataType, expression: str) -> str | None:
    """An expression that cuts a value of a shown type to what its polars type holds.

    None if the shown type holds no more.
    """
    import polars as pl

    if isinstance(kind, pl.Datetime | pl.Duration) and kind.time_unit == "ms":
        return f"date_trunc('milliseconds', {expression})"
    if isinstance(kind, pl.Float16):
        number = f"cast({expression} as DOUBLE)"
        step = f"pow(2, 10 - greatest(floor(log2(abs({number}))), -14))"
        fits = f"abs({number}) <= {_LARGEST_HALF} and ({number} * {step}) % 1 = 0"
        odd = f"isnan({expression}) or isinf({expression}) or {expression} = 0"
        return f"case when {odd} or ({fits}) then {expression} end"
    return None


def _interval(kind: pl.Duration, expression: str) -> str:
    """An INTERVAL from a whole number; an error for nanoseconds, which it cannot hold."""
    if kind.time_unit == "ns":
        lost = "error('a span has nanoseconds, which no INTERVAL holds: cast it to pl.Duration')"
        whole = f"to_microseconds({expression} // 1000)"
        return f"case when {expression} % 1000 <> 0 then {lost} else {whole} end"
    name, _ = _PARTS[kind.time_unit]
    return f"{name}({expression})"


def _huge(expression: str, *, signed: bool) -> str:
    """A whole number of 128 bits from the 16 bytes in which polars stores it, lowest first."""
    digits = f"hex({expression})"
    turned = " || ".join(f"substr({digits}, {2 * i + 1}, 2)" for i in range(_BYTES - 1, -1, -1))
    number = f"cast('0x' || {turned} as UHUGEINT)"
    if not signed:
        return number
    top = 2 ** (8 * _BYTES - 1)
    below = f"cast(({number} - {top}::UHUGEINT) as HUGEINT) - {top - 1}::HUGEINT - 1"
    return f"case when {number} < {top}::UHUGEINT then cast({number} as HUGEINT) else {below} end"
