"""Turns a DuckDB relation into a polars frame: every value unchanged, or the column is refused.

Knows nothing of tasks or datasets. The rows pass through Arrow, where some of DuckDB's types lose
something: an offset, the upper half of the range of numbers, the length of a bit string.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

_NUMBERS = "boolean tinyint smallint integer bigint utinyint usmallint uinteger ubigint"
_OTHERS = "float double decimal varchar blob uuid enum date time time_ns null"
_MOMENTS = ("timestamp", "timestamp_ms", "timestamp_ns", "timestamp with time zone")
_AS_IT_IS = {*_NUMBERS.split(), *_OTHERS.split(), *_MOMENTS, "timestamptz_ns"}
_NESTED = {"list", "array", "struct", "tuple", "map"}
_CAST = {"hugeint": "DECIMAL(38,0)", "timestamp_s": "TIMESTAMP_MS"}
"""Types of which some values come out of Arrow wrong, and the types to cast them to first.

A hugeint of 39 digits came out as a decimal of 38, and infinity in seconds as 1969.
"""
_ADVICE = {
    "uhugeint": "cast it to VARCHAR; or to HUGEINT, which takes numbers of up to 38 digits",
    "time with time zone": "cast it to VARCHAR, which keeps the offset, or to TIME",
    "interval": "cast it to VARCHAR, or store its length, as in epoch_us(...)",
    "variant": "cast it to JSON",
    "union": "cast it to VARCHAR, or take its members out into columns of their own",
}
_MOST = 10**38 - 1


def refusal(relation: Any) -> tuple[str, str] | None:
    """What is wrong with the first column that cannot be stored unchanged, and what to do.

    None if every column can.
    """
    for name, kind in zip(relation.columns, relation.types, strict=True):
        wrong = _unknown_in(kind)
        if wrong is not None:
            within = "" if wrong is kind else f" within {kind}"
            problem = (
                f"the column {name!r} is DuckDB's {wrong}{within}, which Parquet does not hold"
            )
            return problem, _ADVICE.get(wrong.id, "cast it to VARCHAR")
    return None


def alike(relation: Any) -> tuple[str, str] | None:
    """What is wrong with two columns whose names are the same in SQL, and what to do; else None.

    DuckDB allows them in a query, but would rename the second one to `a_1` on the way to Arrow.
    """
    names = relation.columns
    first = {name.lower(): i for i, name in reversed(list(enumerate(names)))}
    for i, name in enumerate(names):
        other = names[first[name.lower()]]
        if first[name.lower()] != i:
            told = (
                f"two columns {name!r}" if name == other else f"the columns {other!r} and {name!r}"
            )
            problem = f"the relation has {told}, which are the same in SQL"
            return problem, f'give one of them another name, as in "select ... as {name}_2"'
    return None


def arrow_refusal(schema: Any) -> tuple[str, str] | None:
    """As `refusal`, of an Arrow schema: for types that polars does not read, or panics over."""
    for field in schema:
        wrong = _unheld_in(field.type)
        if wrong is not None:
            problem = f"the column {field.name!r} is Arrow's {wrong}, which polars does not hold"
            return problem, "cast it to a plain type, or to text"
    return None


def extension_in(dtype: Any) -> str | None:
    """The name of the first extension type that a polars type is or contains; None without one."""
    import polars as pl

    if isinstance(dtype, pl.BaseExtension):
        return str(dtype.ext_name())
    parts = [getattr(dtype, name, None) for name in ("inner", "key", "value")]
    parts += [field.dtype for field in getattr(dtype, "fields", ())]
    return next(
        (extension for part in parts if part is not None and (extension := extension_in(part))),
        None,
    )


def as_frame(
    relation: Any, zone: str, schema: Mapping[str, pl.DataType] | None = None
) -> pl.LazyFrame:
    """The rows of a relation, which DuckDB computes when the frame is collected.

    DuckDB's moments (TIMESTAMPTZ) have no zone of their own. A column of them gets the zone that
    `schema` declares for it, else `zone`; never that of DuckDB's session. DuckDB raises its errors
    when the frame is collected, also for a hugeint of more than 38 digits.

    Requires: `refusal(relation)` and `alike(relation)` are None.
    """
    import polars as pl

    checked = relation
    if any(_has_cast(kind) for kind in relation.types):
        pairs = enumerate(zip(relation.columns, relation.types, strict=True), 1)
        columns = (_checked(number, name, kind) for number, (name, kind) in pairs)
        checked = relation.project(", ".join(columns))
    frame: pl.LazyFrame = checked.pl(lazy=True)
    casts = []
    for name, dtype in frame.collect_schema().items():
        wanted = (schema or {}).get(name)
        if wanted is None or _in_zone(dtype, zone) != _in_zone(wanted, zone):
            wanted = _in_zone(dtype, zone)
        if wanted != dtype:
            casts.append(pl.col(name).cast(wanted))
    return frame.with_columns(casts) if casts else frame


def told(relation: Any) -> Any:
    """The relation with those columns as text that Arrow cannot take unchanged."""
    names = zip(relation.columns, relation.types, strict=True)
    texts = [kind.id == "time" or _unknown_in(kind) is not None for _, kind in names]
    if not any(texts):
        return relation
    columns = []
    for number, (name, as_text) in enumerate(zip(relation.columns, texts, strict=True), 1):
        quoted = (
            '"' + name.replace('"', '""') + '"'
        )  # By number: a query may have two columns of one name.
        columns.append(f"{f'cast(#{number} as VARCHAR)' if as_text else f'#{number}'} as {quoted}")
    return relation.project(", ".join(columns))


def _unknown_in(kind: Any) -> Any | None:
    """The first type that this one is or contains and that Arrow cannot take unchanged."""
    if kind.id in _NESTED:
        return next((bad for each in _members(kind) if (bad := _unknown_in(each))), None)
    return None if kind.id in _AS_IT_IS or kind.id in _CAST else kind


def _unheld_in(kind: Any) -> Any | None:
    """The first type that an Arrow type is or contains and that polars does not have."""
    from pyarrow import BaseExtensionType, types

    if isinstance(kind, BaseExtensionType) and kind.extension_name != "arrow.uuid":
        return kind
    tests = (types.is_interval, types.is_union, types.is_run_end_encoded, types.is_list_view)
    if any(test(kind) for test in tests) or types.is_large_list_view(kind):
        return kind
    parts = (kind.field(i).type for i in range(kind.num_fields))
    return next((wrong for part in parts if (wrong := _unheld_in(part)) is not None), None)


def _has_cast(kind: Any) -> bool:
    return kind.id in _CAST or (kind.id in _NESTED and any(map(_has_cast, _members(kind))))


def _members(kind: Any) -> list[Any]:
    return [each for name, each in kind.children if name != "size" or kind.id != "array"]


def _checked(number: int, name: str, kind: Any) -> str:
    """An SQL expression for a column that keeps each value unchanged, or raises an error."""
    column, quoted = f"#{number}", '"' + name.replace('"', '""') + '"'
    if kind.id == "hugeint":
        told = f"the column {name!r} holds a HUGEINT of more than 38 digits; cast it to VARCHAR"
        text = told.replace("'", "''")
        fits = f"{column} is null or {column} between -{_MOST} and {_MOST}"
        return f"case when {fits} then {column} else error('{text}') end as {quoted}"
    value = f"cast({column} as {_cast_text(kind)})" if _has_cast(kind) else column
    return f"{value} as {quoted}"


def _cast_text(kind: Any) -> str:
    """The type as SQL, with each type in it replaced that has to be cast."""
    if not _has_cast(kind):
        return str(kind)
    match kind.id:
        case "list":
            return f"{_cast_text(_members(kind)[0])}[]"
        case "array":
            return f"{_cast_text(_members(kind)[0])}[{dict(kind.children)['size']}]"
        case "map":
            return f"MAP({', '.join(map(_cast_text, _members(kind)))})"
        case "tuple":
            return f"TUPLE({', '.join(map(_cast_text, _members(kind)))})"
        case "struct":
            fields = (
                '"' + name.replace('"', '""') + '" ' + _cast_text(each)
                for name, each in kind.children
            )
            return f"STRUCT({', '.join(fields)})"
        case _:
            return _CAST[kind.id]


def _in_zone(dtype: Any, zone: str) -> Any:
    """The type with the zone of every zoned moment in it replaced by `zone`."""
    import polars as pl

    if isinstance(dtype, pl.Datetime):
        return pl.Datetime(dtype.time_unit, zone) if dtype.time_zone else dtype
    if isinstance(dtype, pl.List):
        return pl.List(_in_zone(dtype.inner, zone))
    if isinstance(dtype, pl.Array):
        return pl.Array(_in_zone(dtype.inner, zone), dtype.size)
    if isinstance(dtype, pl.Struct):
        return pl.Struct({each.name: _in_zone(each.dtype, zone) for each in dtype.fields})
    if isinstance(dtype, pl.Map):
        return pl.Map(dtype.key, _in_zone(dtype.value, zone))
    return dtype
