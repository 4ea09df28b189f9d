"""Which of DuckDB's types shows a polars type, and the expression that does so.

Knows nothing of files or views: a type and an expression come in, text comes out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
"""A Float16 holds no larger number, and 11 bits of each."""


def sql_type(kind: Any, *, words: bool = False) -> str:
    """The name of the type as which DuckDB shows a polars type; an Enum is text.

    With `words` it is the type that holds an Enum's words and no other.
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
    """The type that DuckDB is to read from text as which a polars type was read."""
    import polars as pl

    if isinstance(kind, pl.Enum):
        return sql_type(kind, words=True)
    plain = {"Time": "TIME", "Null": "VARCHAR", "Datetime": sql_type(kind).replace("TZ_NS", "TZ")}
    return plain.get(type(kind).__name__) or sql_type(kind)


def is_stored_so(kind: pl.DataType) -> bool:
    """Whether DuckDB reads what a Parquet file holds of a type as the type that shows it."""
    return _changed(kind, "x", _stored) is None


def stored(kind: pl.DataType, expression: str) -> str:
    """The expression of what a Parquet file holds, as the type that shows it."""
    return _changed(kind, expression, _stored) or expression


def _stored(kind: pl.DataType, expression: str) -> str | None:
    """As `stored` of what is no list, map or struct; None where it is shown as it is."""
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
    """The expression with `change` made at each value in it; None where there is none to be made.

    Values within lists, maps and structs are changed one by one, whatever holds them.
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


def of_text(kind: pl.DataType, expression: str, said: str) -> str:
    """The expression of text in a CSV file as the type that shows it; `said` if it is no such.

    The empty text is null but for what is text itself, as where tasks read it.
    """
    import polars as pl

    if isinstance(kind, pl.String | pl.Categorical):
        return expression
    cast = f"try_cast({expression} as {sql_type(kind, words=True)})"
    if isinstance(kind, pl.Enum):
        no_word = f"{expression} is not null and {cast} is null"
        return f"case when {no_word} then {said} else {expression} end"
    odd = f"{expression} <> '' and {cast} is null"
    if kind.is_integer():  # DuckDB would round
        odd += "".join(f" or contains({expression}, '{letter}')" for letter in ".eE")
    if isinstance(kind, pl.Decimal):
        odd += f" or regexp_matches({expression}, '[.][0-9]{{{kind.scale}}}0*[1-9]|[eE]')"
    return f"case when {odd} then {said} else {cast} end"


def text_of_json(expression: str) -> str:
    """The expression of the text of a JSON value; of whole numbers without a fraction."""
    return f"regexp_replace(json_extract_string({expression}, '$'), '^(-?[0-9]+)[.]0$', '\\1')"


def of_json(expression: str, said: str) -> str:
    """The expression of a JSON value as the text that tasks read of it; else the error `said`.

    Tasks get the text of lists and objects, and of very large and very small numbers, as polars
    writes it, which SQL cannot.
    """
    text = f"json_extract_string({expression}, '$')"
    number = f"case when contains({text}, 'e') then {said} else {text_of_json(expression)} end"
    return (
        f"case json_type({expression}) when 'DOUBLE' then {number} "
        f"when 'OBJECT' then {said} when 'ARRAY' then {said} else {text} end"
    )


def widened(kind: pl.DataType, wanted: pl.DataType, expression: str, said: str) -> str:
    """The expression as a wider type; `said` is the SQL of the error for digits that are lost."""
    if sql_type(kind) == sql_type(wanted):
        return expression
    cast = f"cast({expression} as {sql_type(wanted)})"
    if not is_rounded(kind, wanted):
        return cast
    same = f"cast({cast} as HUGEINT) = {expression}"
    return f"case when {expression} is null or {same} then {cast} else {said} end"


def unchanged(kind: pl.DataType, wanted: pl.DataType, expression: str, said: str) -> str:
    """The expression as another type where it is the same when it is cast back; else the error."""
    cast = f"try_cast({expression} as {sql_type(wanted, words=True)})"
    held = _changed(wanted, cast, _rounded) or cast
    same = f"try_cast({held} as {sql_type(kind)}) is not distinct from {expression}"
    return f"case when {same} then cast({cast} as {sql_type(wanted)}) else {said} end"


def _rounded(kind: pl.DataType, expression: str) -> str | None:
    """What a type holds of a value of the finer type that shows it; None if that holds no more."""
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


def quoted_name(name: str) -> str:
    """A name as SQL has it, whatever is in it: keywords too."""
    return '"' + name.replace('"', '""') + '"'


def quoted(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def _interval(kind: pl.Duration, expression: str) -> str:
    """A span of time from a whole number; DuckDB has no nanoseconds in one."""
    if kind.time_unit == "ns":
        lost = "error('a span has nanoseconds, which no INTERVAL holds: cast it to pl.Duration')"
        whole = f"to_microseconds({expression} // 1000)"
        return f"case when {expression} % 1000 <> 0 then {lost} else {whole} end"
    name, _ = _PARTS[kind.time_unit]
    return f"{name}({expression})"


def _huge(expression: str, *, signed: bool) -> str:
    """A whole number of 128 bits from the bytes in which polars stores it, the lowest first."""
    digits = f"hex({expression})"
    turned = " || ".join(f"substr({digits}, {2 * i + 1}, 2)" for i in range(_BYTES - 1, -1, -1))
    number = f"cast('0x' || {turned} as UHUGEINT)"
    if not signed:
        return number
    top = 2 ** (8 * _BYTES - 1)
    below = f"cast(({number} - {top}::UHUGEINT) as HUGEINT) - {top - 1}::HUGEINT - 1"
    return f"case when {number} < {top}::UHUGEINT then cast({number} as HUGEINT) else {below} end"
