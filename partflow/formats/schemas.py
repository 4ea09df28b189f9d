"""Schemas of files: as text for the record, and several united into one that holds them all.

Knows nothing of files, datasets or SQL. A schema is a mapping of names to polars types.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from partflow.formats.fingerprint import type_text

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence

    import polars as pl

    Schema = Mapping[str, pl.DataType]

_UNSHOWN, _BLANK_LINE = " ", "\n"
"""Blank space, which `schema_in` passes over, as all readers of JSON do."""
_DIGITS = 38
"""The most digits that a Decimal has."""
_WIDTHS = {"Int8": 3, "Int16": 5, "Int32": 10, "Int64": 19}
_WIDTHS |= {"UInt8": 3, "UInt16": 5, "UInt32": 10, "UInt64": 20}
"""The digits of the largest whole number of each type."""
_INTEGERS = ("Int8", "Int16", "Int32", "Int64")
_IN_FLOAT32 = frozenset(("Int8", "Int16", "UInt8", "UInt16", "Float16", "Float32"))
ROUNDED = frozenset(("Int64", "UInt64"))
"""Types of which a Float64 holds only values of up to 53 bits, so that each has to be tried."""


@dataclass(frozen=True, slots=True)
class Clash:
    """A column that no schema holds in both of two files; `problem` says why.

    `one` and `other` are what names the files: a path or a key.
    """

    column: str
    one: Hashable
    other: Hashable
    problem: str


# --- as text -------------------------------------------------------------------------------------


def schema_text(schema: Schema) -> str:
    """The text of a schema for the record; `schema_in` is its inverse."""
    return _text(tuple(schema), tuple(schema.values()))


def unshown(text: str | None) -> str:
    """The text of a schema for a file whose rows tasks read and SQL does not."""
    return _UNSHOWN + (text or "")


def is_unshown(text: str) -> bool:
    """Whether a schema's text says that SQL does not read the rows of the file."""
    return text.startswith(_UNSHOWN)


def after_lines(text: str, lines: int) -> str:
    """The text of a schema for a file with so many blank lines before its header."""
    return _BLANK_LINE * lines + text


def blank_lines_in(text: str) -> int:
    """How many blank lines a schema's text says are before the header of the file."""
    return text[: len(text) - len(text.lstrip())].count(_BLANK_LINE)


@lru_cache(maxsize=256)
def _text(names: tuple[str, ...], types: tuple[pl.DataType, ...]) -> str:
    pairs = [[name, _packed(kind)] for name, kind in zip(names, types, strict=True)]
    return json.dumps(pairs, ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=1024)
def schema_in(text: str) -> dict[str, pl.DataType]:
    """The schema in a text; ValueError if `schema_text` cannot have written it."""
    try:
        return {str(name): _unpacked(kind) for name, kind in json.loads(text)}
    except (TypeError, AttributeError, LookupError, RecursionError, OverflowError) as error:
        raise ValueError(f"{text[:80]!r} is no schema: {error}") from None


def schema_known(text: str) -> Mapping[str, pl.DataType] | None:
    """The schema in a recorded text; None for "", and if partflow cannot have written the text."""
    try:
        return schema_in(text) if text else None
    except ValueError:
        return None


def _packed(kind: pl.DataType) -> object:
    """A type as JSON: its name, or a list of its name and its parameters."""
    import polars as pl

    if isinstance(kind, pl.BaseExtension):  # Readers of Parquet see its storage type.
        return _packed(_instance(kind.ext_storage()))
    parts: list[object] = []
    match kind:
        case pl.Datetime():
            parts = [kind.time_unit, kind.time_zone]
        case pl.Duration():
            parts = [kind.time_unit]
        case pl.Decimal():
            parts = [kind.precision, kind.scale]
        case pl.Enum():
            parts = [kind.categories.to_list()]
        case pl.Array():
            parts = [_packed(_instance(kind.inner)), kind.size]
        case pl.List():
            parts = [_packed(_instance(kind.inner))]
        case pl.Map():
            parts = [_packed(_instance(each)) for each in (kind.key, kind.value)]
        case pl.Struct():
            parts = [[[f.name, _packed(_instance(f.dtype))] for f in kind.fields]]
        case _:
            pass
    name = type(kind).__name__
    return [name, *parts] if parts else name


def _unpacked(packed: object) -> pl.DataType:
    import polars as pl

    listed: list[Any] = [packed] if isinstance(packed, str) else list(packed)  # type: ignore[call-overload]
    name, parts = listed[0], listed[1:]
    kind = getattr(pl, name)
    if not (isinstance(kind, type) and issubclass(kind, pl.DataType)):
        raise TypeError(f"{name} is no type")
    match name:
        case "Array":
            return pl.Array(_unpacked(parts[0]), int(parts[1]))
        case "List":
            return pl.List(_unpacked(parts[0]))
        case "Map":
            return pl.Map(_unpacked(parts[0]), _unpacked(parts[1]))
        case "Struct":
            return pl.Struct([pl.Field(str(n), _unpacked(p)) for n, p in parts[0]])
        case _:
            built: pl.DataType = kind(*parts)
            return built


def _instance(kind: Any) -> pl.DataType:
    """A type and its inner types as instances: `pl.Int64` becomes `pl.Int64()`."""
    import polars as pl

    instance: pl.DataType = kind() if isinstance(kind, type) else kind
    match instance:
        case pl.Array():
            return pl.Array(_instance(instance.inner), instance.size)
        case pl.List():
            return pl.List(_instance(instance.inner))
        case pl.Map():
            return pl.Map(_instance(instance.key), _instance(instance.value))
        case pl.Struct():
            return pl.Struct([pl.Field(f.name, _instance(f.dtype)) for f in instance.fields])
        case _:
            return instance


def instances(schema: Mapping[str, Any]) -> dict[str, pl.DataType]:
    """A declared schema with each type as an instance."""
    return {name: _instance(kind) for name, kind in schema.items()}


def column_named(name: str) -> pl.Expr:
    """The column of just that name: polars takes `*` and `^...$` for patterns."""
    import polars as pl
    import polars.selectors as cs

    return cs.by_name(name).as_expr() if name[:1] in {"*", "^"} else pl.col(name)


# --- several as one ------------------------------------------------------------------------------


def united(
    schemas: Sequence[tuple[Hashable, Schema]], *, exact: bool = False
) -> tuple[dict[str, pl.DataType], list[Clash]]:
    """The schema that holds all of these, columns in order of first appearance, and the clashes.

    Each schema comes with what names its file. Numbers become wider, null becomes any type, and a
    column that a file lacks is null there. With `exact` the types must be the same, and no file may
    lack a column. Where types clash, the last file's is taken.
    """
    column_types: dict[str, tuple[Hashable, pl.DataType]] = {}
    clashes: list[Clash] = []
    for name_of, schema in schemas:
        for column, kind in schema.items():
            whose, known = column_types.get(column, (name_of, kind))
            both = (
                known if exact and _same(known, kind) else None if exact else holding(known, kind)
            )
            if both is None:
                clashes.append(Clash(column, whose, name_of, _differ(column, kind, known)))
            # A later clash is to name the file that has this type, not one with a narrower type.
            is_known = both is not None and _same(both, known)
            column_types[column] = (whose if is_known else name_of, kind if both is None else both)
        if exact:
            clashes += _missing(column_types, name_of, schema)
    return {column: kind for column, (_, kind) in column_types.items()}, clashes


def united_by_rows(
    schemas: Sequence[tuple[Hashable, Schema]],
    has_rows: Callable[[Any], bool],
    *,
    exact: bool = False,
) -> tuple[dict[str, pl.DataType], list[Clash]]:
    """As `united`; but if types clash, the schemas of files without rows are left out.

    `has_rows` is called with what names a file, and only if there is a clash. A column that no file
    with rows has gets the type that the schemas come to if each counts once, however many files
    have it.
    """
    schema, clashes = united(schemas, exact=exact)
    if not clashes:
        return schema, clashes
    once: dict[str, tuple[Hashable, Schema]] = {}
    for pair in schemas:
        once.setdefault(schema_text(pair[1]), pair)
    schema, _ = united([*once.values()], exact=exact)
    with_rows = [pair for pair in schemas if has_rows(pair[0])] or schemas[:1]
    narrowed, clashes = united(with_rows, exact=exact)
    if exact:  # whoever needs the same columns everywhere asks none of a file without rows
        return narrowed, clashes
    return {column: narrowed.get(column, kind) for column, kind in schema.items()}, clashes


def _missing(
    known: Mapping[str, tuple[Hashable, pl.DataType]], name_of: Hashable, schema: Schema
) -> Iterable[Clash]:
    for column, (whose, _) in known.items():
        if column not in schema:
            yield Clash(column, whose, name_of, f"column {column!r} is missing")


def _differ(column: str, kind: pl.DataType, known: pl.DataType) -> str:
    return f"column {column!r} is {type_text(kind)}, and {type_text(known)}"


def holding(first: pl.DataType, second: pl.DataType) -> pl.DataType | None:
    """The type that holds every value of both types unchanged; None if there is none.

    For a type of `ROUNDED` and a float it is Float64, which does not hold all whole numbers: a cast
    has to try each value.
    """
    import polars as pl

    if _same(first, second):
        return first
    names = [type(first).__name__, type(second).__name__]
    if "Null" in names:
        return second if names[0] == "Null" else first
    if all(name in _WIDTHS for name in names):
        return _integer(*names)
    if all(name in _WIDTHS or name.startswith("Float") for name in names):
        return pl.Float32() if _IN_FLOAT32.issuperset(names) else pl.Float64()
    if all(name in _WIDTHS or name == "Decimal" for name in names):
        return _decimal(first, second)
    if {*names} <= {"String", "Categorical", "Enum"}:
        return pl.String()
    if names[0] == names[1] and names[0] in ("Datetime", "Duration"):
        return _microseconds(first, second)
    return _nested(first, second)


def _same(first: pl.DataType, second: pl.DataType) -> bool:
    return type_text(first) == type_text(second)


def _integer(first: str, second: str) -> pl.DataType | None:
    """The narrowest type of whole numbers that holds both; None if there is none."""
    import polars as pl

    bits = [int(name.lstrip("UInt")) for name in (first, second)]
    if first.startswith("U") == second.startswith("U"):
        wider: pl.DataType = getattr(pl, (first, second)[bits[0] < bits[1]])()
        return wider
    unsigned = bits[0] if first.startswith("U") else bits[1]
    least = max(*bits, 2 * unsigned)
    wide = f"Int{least}"
    return getattr(pl, wide)() if wide in _INTEGERS else None


def _decimal(first: pl.DataType, second: pl.DataType) -> pl.DataType | None:
    import polars as pl

    places = [kind.scale if isinstance(kind, pl.Decimal) else 0 for kind in (first, second)]
    whole = [
        kind.precision - kind.scale
        if isinstance(kind, pl.Decimal)
        else _WIDTHS[type(kind).__name__]
        for kind in (first, second)
    ]
    digits = max(whole) + max(places)
    return pl.Decimal(digits, max(places)) if digits <= _DIGITS else None


def _microseconds(first: Any, second: Any) -> pl.DataType | None:
    """Microseconds, for moments or spans of which one type has milliseconds and one microseconds.

    None for nanoseconds, which hold no moment after 2261; and for moments in two zones, where the
    same moment can have two dates.
    """
    import polars as pl

    if {first.time_unit, second.time_unit} != {"ms", "us"}:
        return None
    if isinstance(first, pl.Duration):
        return pl.Duration("us")
    return pl.Datetime("us", first.time_zone) if first.time_zone == second.time_zone else None


def _nested(first: pl.DataType, second: pl.DataType) -> pl.DataType | None:
    """The list, or the struct with the same fields, that holds both; None if there is none."""
    import polars as pl

    if isinstance(first, pl.List) and isinstance(second, pl.List):
        inner = _held(first.inner, second.inner)
        return None if inner is None else pl.List(inner)
    if isinstance(first, pl.Struct) and isinstance(second, pl.Struct):
        if [f.name for f in first.fields] != [f.name for f in second.fields]:
            return None
        pairs = zip(first.fields, second.fields, strict=True)
        kinds = [(a.name, _held(a.dtype, b.dtype)) for a, b in pairs]
        fields = [pl.Field(name, kind) for name, kind in kinds if kind is not None]
        return pl.Struct(fields) if len(fields) == len(kinds) else None
    return None


def _held(first: Any, second: Any) -> pl.DataType | None:
    """As `holding`, within a list or a struct; None if each value would have to be tried."""
    first, second = _instance(first), _instance(second)
    both = holding(first, second)
    rounded = any(is_rounded(kind, both) for kind in (first, second) if both is not None)
    return None if rounded else both


def is_rounded(kind: pl.DataType, wanted: pl.DataType | None) -> bool:
    """Whether values of a type may lose digits as the wanted type, so that each has to be tried."""
    return type(kind).__name__ in ROUNDED and type(wanted).__name__ == "Float64"
