"""What columns files have: as text for the record, and as one schema that holds those of several.

Knows nothing of files, of datasets or of SQL. A schema is a mapping of names to polars types.
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

_DIGITS = 38
"""A decimal has no more of them."""
_WIDTHS = {"Int8": 3, "Int16": 5, "Int32": 10, "Int64": 19}
_WIDTHS |= {"UInt8": 3, "UInt16": 5, "UInt32": 10, "UInt64": 20}
"""The digits of the largest whole number of each type."""
_INTEGERS = ("Int8", "Int16", "Int32", "Int64")
_IN_FLOAT32 = frozenset(("Int8", "Int16", "UInt8", "UInt16", "Float16", "Float32"))
ROUNDED = frozenset(("Int64", "UInt64"))
"""Types that a float holds only as far as a value has no more than 53 bits: each is to be tried."""


@dataclass(frozen=True, slots=True)
class Clash:
    """Two partitions whose columns no schema holds: `problem` says so of both, in words."""

    column: str
    one: Hashable
    other: Hashable
    problem: str


# --- as text -------------------------------------------------------------------------------------


def schema_text(schema: Schema) -> str:
    """The text of a schema for the record; `schema_in` reads it."""
    return _text(tuple(schema), tuple(schema.values()))


@lru_cache(maxsize=256)
def _text(names: tuple[str, ...], types: tuple[pl.DataType, ...]) -> str:
    pairs = [[name, _packed(kind)] for name, kind in zip(names, types, strict=True)]
    return json.dumps(pairs, ensure_ascii=False, separators=(",", ":"))


@lru_cache(maxsize=1024)
def schema_in(text: str) -> dict[str, pl.DataType]:
    """The schema in a text; ValueError for what `schema_text` did not write."""
    try:
        return {str(name): _unpacked(kind) for name, kind in json.loads(text)}
    except (TypeError, AttributeError, LookupError, RecursionError, OverflowError) as error:
        raise ValueError(f"{text[:80]!r} is no schema: {error}") from None


def schema_known(text: str) -> Mapping[str, pl.DataType] | None:
    """The schema in a recorded text; None for "" and for what partflow cannot have written."""
    try:
        return schema_in(text) if text else None
    except ValueError:
        return None


def _packed(kind: pl.DataType) -> object:
    """A type as JSON: its name, or a list of it and of what it is made of."""
    import polars as pl

    if isinstance(kind, pl.BaseExtension):  # readers of Parquet see what it is stored as
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
            made: pl.DataType = kind(*parts)
            return made


def _instance(kind: Any) -> pl.DataType:
    """A type as an object, and all that it is made of: `pl.Int64` stands for `pl.Int64()`."""
    import polars as pl

    found: pl.DataType = kind() if isinstance(kind, type) else kind
    match found:
        case pl.Array():
            return pl.Array(_instance(found.inner), found.size)
        case pl.List():
            return pl.List(_instance(found.inner))
        case pl.Map():
            return pl.Map(_instance(found.key), _instance(found.value))
        case pl.Struct():
            return pl.Struct([pl.Field(f.name, _instance(f.dtype)) for f in found.fields])
        case _:
            return found


def instances(schema: Mapping[str, Any]) -> dict[str, pl.DataType]:
    """A schema as it is declared, each type as an object."""
    return {name: _instance(kind) for name, kind in schema.items()}


# --- several as one ------------------------------------------------------------------------------


def united(
    schemas: Sequence[tuple[Hashable, Schema]], *, exact: bool = False
) -> tuple[dict[str, pl.DataType], list[Clash]]:
    """The one schema that holds all, in order of first appearance, and what it cannot hold.

    Each schema comes with what names it. Numbers become wider, null becomes anything, and what one
    lacks is null there; with `exact` types must be the same, and none may lack a column. Where
    types clash, the last schema's stands.
    """
    first: dict[str, tuple[Hashable, pl.DataType]] = {}
    clashes: list[Clash] = []
    for name_of, schema in schemas:
        for column, kind in schema.items():
            whose, known = first.get(column, (name_of, kind))
            both = (
                known if exact and _same(known, kind) else None if exact else holding(known, kind)
            )
            if both is None:
                clashes.append(Clash(column, whose, name_of, _differ(column, kind, known)))
            # A clash names the partition that has the type, and none that is null or narrower.
            is_known = both is not None and _same(both, known)
            first[column] = (whose if is_known else name_of, kind if both is None else both)
        if exact:
            clashes += _missing(first, name_of, schema)
    return {column: kind for column, (_, kind) in first.items()}, clashes


def united_by_rows(
    schemas: Sequence[tuple[Hashable, Schema]],
    has_rows: Callable[[Any], bool],
    *,
    exact: bool = False,
) -> tuple[dict[str, pl.DataType], list[Clash]]:
    """As `united`; but where types clash, schemas of what has no rows are left out.

    `has_rows` is asked of each schema's name, and only if there is a clash.
    """
    whole, clashes = united(schemas, exact=exact)
    if not clashes:
        return whole, clashes
    voices = [pair for pair in schemas if has_rows(pair[0])] or schemas[:1]
    heard, clashes = united(voices, exact=exact)
    return {column: heard.get(column, kind) for column, kind in whole.items()}, clashes


def _missing(
    known: Mapping[str, tuple[Hashable, pl.DataType]], name_of: Hashable, schema: Schema
) -> Iterable[Clash]:
    for column, (whose, _) in known.items():
        if column not in schema:
            yield Clash(column, whose, name_of, f"column {column!r} is missing")


def _differ(column: str, kind: pl.DataType, known: pl.DataType) -> str:
    return f"column {column!r} is {type_text(kind)}, and {type_text(known)}"


def holding(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    """The type that holds every value of both as it is, None if there is none.

    For a whole number of `ROUNDED` and a float that is Float64, although it does not hold every
    such number: who casts has to look at each value.
    """
    import polars as pl

    if _same(one, other):
        return one
    names = [type(one).__name__, type(other).__name__]
    if "Null" in names:
        return other if names[0] == "Null" else one
    if all(name in _WIDTHS for name in names):
        return _integer(*names)
    if all(name in _WIDTHS or name.startswith("Float") for name in names):
        return pl.Float32() if _IN_FLOAT32.issuperset(names) else pl.Float64()
    if all(name in _WIDTHS or name == "Decimal" for name in names):
        return _decimal(one, other)
    if {*names} <= {"String", "Categorical", "Enum"}:
        return pl.String()
    if names[0] == names[1] and names[0] in ("Datetime", "Duration"):
        return _microseconds(one, other)
    return _nested(one, other)


def _same(one: pl.DataType, other: pl.DataType) -> bool:
    return type_text(one) == type_text(other)


def _integer(one: str, other: str) -> pl.DataType | None:
    """The narrowest whole number that holds both."""
    import polars as pl

    bits = [int(name.lstrip("UInt")) for name in (one, other)]
    if one.startswith("U") == other.startswith("U"):
        wider: pl.DataType = getattr(pl, (one, other)[bits[0] < bits[1]])()
        return wider
    unsigned = bits[0] if one.startswith("U") else bits[1]
    least = max(*bits, 2 * unsigned)
    wide = f"Int{least}"
    return getattr(pl, wide)() if wide in _INTEGERS else None


def _decimal(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    import polars as pl

    places = [kind.scale if isinstance(kind, pl.Decimal) else 0 for kind in (one, other)]
    whole = [
        kind.precision - kind.scale
        if isinstance(kind, pl.Decimal)
        else _WIDTHS[type(kind).__name__]
        for kind in (one, other)
    ]
    digits = max(whole) + max(places)
    return pl.Decimal(digits, max(places)) if digits <= _DIGITS else None


def _microseconds(one: Any, other: Any) -> pl.DataType | None:
    """Of moments or spans in milliseconds and in microseconds the latter, if their zone is one.

    Nanoseconds hold no moment after 2261, and a zone says on which day a moment is.
    """
    import polars as pl

    if {one.time_unit, other.time_unit} != {"ms", "us"}:
        return None
    if isinstance(one, pl.Duration):
        return pl.Duration("us")
    return pl.Datetime("us", one.time_zone) if one.time_zone == other.time_zone else None


def _nested(one: pl.DataType, other: pl.DataType) -> pl.DataType | None:
    """The list, or the struct with the same fields, that holds those of both; None if none does."""
    import polars as pl

    if isinstance(one, pl.List) and isinstance(other, pl.List):
        inner = _held(one.inner, other.inner)
        return None if inner is None else pl.List(inner)
    if isinstance(one, pl.Struct) and isinstance(other, pl.Struct):
        if [f.name for f in one.fields] != [f.name for f in other.fields]:
            return None
        pairs = zip(one.fields, other.fields, strict=True)
        kinds = [(a.name, _held(a.dtype, b.dtype)) for a, b in pairs]
        fields = [pl.Field(name, kind) for name, kind in kinds if kind is not None]
        return pl.Struct(fields) if len(fields) == len(kinds) else None
    return None


def _held(one: Any, other: Any) -> pl.DataType | None:
    """As `holding`, within a list or a struct; None where single values would have to be tried."""
    one, other = _instance(one), _instance(other)
    both = holding(one, other)
    rounded = any(is_rounded(kind, both) for kind in (one, other) if both is not None)
    return None if rounded else both


def is_rounded(kind: pl.DataType, wanted: pl.DataType | None) -> bool:
    """Whether values of a type may lose digits in the other, so that each is to be tried."""
    return type(kind).__name__ in ROUNDED and type(wanted).__name__ == "Float64"
