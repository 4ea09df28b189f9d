"""Checks what a task returned against what is declared, and makes it the frame to store.

Knows nothing of tasks, graphs or files: a result and its target come in, a frame comes out.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, cast

from partflow.errors import ResultError
from partflow.formats.copies import copied
from partflow.formats.fingerprint import SIMPLE, type_text
from partflow.formats.frames import PartitionColumn, streamed
from partflow.formats.relationtypes import (
    alike,
    arrow_refusal,
    as_frame,
    extension_in,
    refusal,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

_SHOWN = 3
_WIDE = re.compile(r"\bU?Int128\b")
_PLACE = "__partflow_place__"
_LAZY = frozenset({"polars", "pyarrow", "duckdb", "_duckdb"})


@dataclass(frozen=True, slots=True)
class Target:
    """What a result is to be stored as.

    `column` is the partition column, with the values that the result's rows may have in it.
    `is_small` says that the inputs were small, so that a lazy result may be computed in memory.
    `zone` is given to DuckDB's moments, which have no zone of their own.
    """

    dataset: str
    key: str
    schema: Mapping[str, pl.DataType] | None = None
    sort_by: tuple[str, ...] = ()
    column: PartitionColumn | None = None
    is_small: bool = False
    zone: str = "UTC"

    def refuse(self, problem: str, advice: str) -> ResultError:
        """The error for a result that cannot be stored as this."""
        return ResultError(self.dataset, self.key, problem, advice)


def normalise(result: object, target: Target) -> pl.DataFrame | pl.LazyFrame:
    """What a task returned, as the frame to store: checked, in the schema's order, sorted.

    A lazy frame is collected if the inputs were small, which takes a third of the time; else it
    stays lazy, to be streamed. Nothing but the inputs' size decides which engine computes it,
    because two engines add floats in different orders.

    If the result has the partition column, it is compared with the partition and dropped. For a
    frame that stays lazy this happens while it is streamed, and so does its error.
    Types must be the schema's, with three exceptions: whole numbers and floats may be narrower, a
    column of nulls alone may be untyped, and decimals without a fraction (DuckDB's sums) may take
    the place of integers.

    Raises:
        ResultError: the result is no frame, or not the frame that is declared.
    """
    import polars as pl

    frame = _as_polars(result, target)
    if target.is_small and isinstance(frame, pl.LazyFrame):
        frame = frame.collect(engine="in-memory")
    if target.column is not None:
        frame = _without_column(frame, target.column, target)
    if target.schema is not None:
        frame = _as_declared(frame, target.schema, target)
    _require_storable(frame, target)
    _require_names(frame, target)
    if target.sort_by:
        _require_columns(frame, target)
        frame = frame.sort(target.sort_by, maintain_order=True)
    return frame


def split(result: object, target: Target) -> list[pl.DataFrame]:
    """Split what a batch returned: a frame for each value of `target.column`, in that order.

    A partition without rows gets an empty frame. Rows keep their order; the column is dropped. The
    frames share no memory with the result.

    Raises:
        ResultError: the result is no frame, lacks the column, or has rows of other partitions.
    """
    import polars as pl

    column = target.column
    assert column is not None, "BUG: what is not partitioned is not made in batches"
    frame = _as_polars(result, target)
    if isinstance(frame, pl.LazyFrame):
        engine: Literal["in-memory", "streaming"] = "in-memory" if target.is_small else "streaming"
        frame = frame.collect(engine=engine)
    if column.name not in frame.columns:
        problem = f"the frame lacks the column {column.name!r}, by which a batch is split"
        raise target.refuse(problem, "return it as the frames that are read have it")
    values = frame[column.name]
    allowed = _allowed(column, values.dtype, target)
    _require_clock(values, column, target)
    _require_values(values, allowed, target, counted=True)
    rest = frame.clone()
    rest.drop_in_place(column.name)
    rest = copied(rest)
    del frame, result
    if target.schema is not None:
        with suppress(ResultError):  # A partition that does not fit says so when it is checked.
            rest = cast("pl.DataFrame", _as_declared(rest, target.schema, target))
    if _rises(values) and _rises(allowed) and allowed.is_unique().all():
        # The rows of each partition are neighbours: slicing costs a hundredth of gathering.
        ends = values.search_sorted(allowed, side="right").to_list()
        return [rest[a:b] for a, b in pairwise([0, *ends])]
    return _gathered(rest, values, allowed)


def _rises(values: pl.Series) -> bool:
    """Whether the values are ascending; the series' own flag is not trusted."""
    return bool((values.slice(1) >= values.slice(0, max(0, values.len() - 1))).all())


def _gathered(rest: pl.DataFrame, values: pl.Series, allowed: pl.Series) -> list[pl.DataFrame]:
    """A frame for each allowed value, with the rows that have it, wherever they are."""
    import polars as pl

    places, once = pl.int_range(0, allowed.len(), eager=True), allowed.is_first_distinct()
    numbers = values.replace_strict(
        allowed.filter(once), places.filter(once), return_dtype=pl.Int64
    ).alias(_PLACE)
    by_place = rest.hstack([numbers]).partition_by(
        _PLACE, maintain_order=True, include_key=False, as_dict=True
    )
    return [by_place[(i,)] if (i,) in by_place else rest.clear() for i in range(allowed.len())]


def is_lazy(result: object) -> bool:
    """Whether a result is lazy, so that computing it may run the user's code."""
    kind = type(result)
    names = ("LazyFrame", "RecordBatchReader", "DuckDBPyRelation")
    return kind.__name__ in names and kind.__module__.partition(".")[0] in _LAZY


def _as_polars(result: object, target: Target) -> pl.DataFrame | pl.LazyFrame:
    import polars as pl

    if isinstance(result, (pl.DataFrame, pl.LazyFrame)):
        return result
    advice = "return a polars, pyarrow or DuckDB frame"
    if result is None:
        raise target.refuse("the task returned None", advice)
    known: Any = result
    match (type(result).__module__.partition(".")[0], type(result).__name__):
        case ("pyarrow", "Table" | "RecordBatch" | "RecordBatchReader" as kind):
            if refused := arrow_refusal(known.schema):
                raise target.refuse(*refused)
            if kind != "RecordBatchReader":
                return pl.DataFrame(known)
            schema = pl.DataFrame(known.schema.empty_table()).schema
            # Copied, because the reader may use the same memory for every batch.
            return streamed((copied(pl.DataFrame(batch)) for batch in known), schema)
        case ("duckdb" | "_duckdb", "DuckDBPyRelation"):
            if refused := alike(known) or refusal(known):
                raise target.refuse(*refused)
            return as_frame(known, target.zone, target.schema)
        case ("pandas", "DataFrame"):
            advice = "return polars.from_pandas(frame)"
        case _:
            pass
    raise target.refuse(f"the task returned a {type(result).__name__}", advice)


def _without_column(
    frame: pl.DataFrame | pl.LazyFrame, column: PartitionColumn, target: Target
) -> pl.DataFrame | pl.LazyFrame:
    import polars as pl

    if isinstance(frame, pl.DataFrame):
        if column.name not in frame.columns:
            return frame
        allowed = _allowed(column, frame[column.name].dtype, target)
        _require_clock(frame[column.name], column, target)
        _require_values(frame[column.name], allowed, target, counted=True)
        rest = frame.clone()
        rest.drop_in_place(column.name)  # `drop` would run a query.
        return rest
    schema = frame.collect_schema()
    if column.name not in schema:
        return frame
    allowed = _allowed(column, schema[column.name], target)

    def check(batch: pl.DataFrame) -> pl.DataFrame:
        _require_clock(batch[column.name], column, target)
        # A batch is a part of the frame: the counts of its values would mislead.
        _require_values(batch[column.name], allowed, target, counted=False)
        return batch.drop(column.name)

    types = pl.Schema({name: dtype for name, dtype in schema.items() if name != column.name})
    return frame.map_batches(check, schema=types, streamable=True)


def _allowed(column: PartitionColumn, dtype: pl.DataType, target: Target) -> pl.Series:
    """The values that a result's partition column may have, in the column's type."""
    allowed = _as_type(column.series(), dtype)
    if allowed is None:
        wanted = column.series().dtype
        raise target.refuse(
            f"the column {column.name!r} is {dtype}",
            f"make it {wanted} as in the frames that tasks read, or drop it",
        )
    return allowed


def _as_type(allowed: pl.Series, dtype: pl.DataType) -> pl.Series | None:
    """The allowed values in the type of a result's column; None if that cannot hold them."""
    import polars as pl

    if dtype == allowed.dtype:
        return allowed
    if not isinstance(dtype, pl.Datetime):
        return None
    if dtype.time_zone is None:  # Local time in the dataset's zone.
        naive = allowed.dt.replace_time_zone(None) if allowed.dtype != pl.Date else allowed
        return naive.cast(dtype)
    return None if allowed.dtype == pl.Date else allowed.cast(dtype)


def _require_clock(values: pl.Series, column: PartitionColumn, target: Target) -> None:
    """Refuse naive moments that are ambiguous: hours that occur twice, or perhaps UTC."""
    if column.zone is None or getattr(values.dtype, "time_zone", None) is not None:
        return
    moments = column.series()
    shown = moments.dt.replace_time_zone(None)
    back = shown.dt.replace_time_zone(column.zone, ambiguous="null", non_existent="null")
    advice = "return it as the frames that are read have it, or leave it out"
    lack = f"the column {column.name!r} has no time zone"
    if values.is_in(shown.filter(back.is_null()).cast(values.dtype).implode()).any():
        problem = f"{lack}, and the clock of {column.zone} is turned back here: which hour is it?"
        raise target.refuse(problem, advice)
    utc = moments.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if shown.equals(utc) or not values.len() or not _all_in(values, utc):
        return
    if _all_in(values, shown):
        problem = f"{lack}, and its values may be UTC's clock as well as that of {column.zone}"
    else:
        problem = (
            f"{lack} and holds UTC's clock, as hours did once; without a zone it is read as the "
            f"clock of {column.zone}"
        )
    raise target.refuse(problem, advice)


def _all_in(values: pl.Series, allowed: pl.Series) -> bool:
    return bool(values.is_in(allowed.cast(values.dtype).implode()).fill_null(value=False).all())


def _require_values(
    values: pl.Series, allowed: pl.Series, target: Target, *, counted: bool
) -> None:
    import polars as pl

    if allowed.len() == 1 and _is_only(values, allowed):
        return
    wrong = values.filter(~values.is_in(allowed.implode()).fill_null(value=False))
    if not wrong.len():
        return
    counts = wrong.cast(pl.String).fill_null("null").value_counts(sort=True, name="rows")
    shown = counts.head(_SHOWN).iter_rows()
    texts = [
        f"{value} ({rows:,} row{'s'[: rows - 1]})" if counted else value for value, rows in shown
    ]
    if counts.height > _SHOWN:
        texts.append(f"{counts.height - _SHOWN:,} more values")
    whose = "this partition" if allowed.len() == 1 else "these partitions"
    problem = f"the column {values.name!r} holds {', '.join(texts)}, not of {whose}"
    advice = "return only its rows, or leave the column out"
    raise target.refuse(problem, advice if allowed.len() == 1 else "return only their rows")


def _is_only(values: pl.Series, allowed: pl.Series) -> bool:
    """Whether every value is the only one that is allowed."""
    import polars as pl

    if values.dtype == pl.Date and not values.null_count():
        value = allowed[0]
        return not values.len() or (values.min() == value and values.max() == value)
    return bool(values.eq_missing(allowed).all())


def _as_declared(
    frame: pl.DataFrame | pl.LazyFrame, declared: Mapping[str, pl.DataType], target: Target
) -> pl.DataFrame | pl.LazyFrame:
    import polars as pl

    if (
        isinstance(frame, pl.DataFrame)
        and frame.columns == list(declared)
        and frame.dtypes == list(declared.values())
    ):
        return frame
    schema = frame.collect_schema()
    missing = [name for name in declared if name not in schema]
    extra = [name for name in schema if name not in declared]
    if missing or extra:
        told = [f"lacks {missing}"] * bool(missing) + [f"has {extra} too"] * bool(extra)
        advice = "return the columns of the schema, or change the schema"
        raise target.refuse(f"the frame {' and '.join(told)}", advice)
    for name, wanted in declared.items():
        if not _widens(schema[name], wanted):
            problem = f"the column {name!r} is {schema[name]}, and the schema says {wanted}"
            raise target.refuse(problem, f"cast it to {wanted}, or change the schema")
    columns = [pl.col(name).cast(wanted) for name, wanted in declared.items()]
    try:
        return frame.select(columns)
    except pl.exceptions.InvalidOperationError as error:
        problem = str(error).strip().splitlines()[0]
        raise target.refuse(problem, "cast it, or change the schema") from error


def _widens(kind: pl.DataType, wanted: pl.DataType) -> bool:
    """Whether the wanted type holds every value of the other, or the cast fails if not."""
    import polars as pl

    if kind == wanted or isinstance(kind, pl.Null):
        return True
    if isinstance(kind, pl.List) and isinstance(wanted, pl.List):
        return _widens(kind.inner, wanted.inner)  # type: ignore[arg-type]
    if isinstance(kind, pl.Decimal):
        return kind.scale == 0 and wanted.is_integer()
    if kind.is_integer() and wanted.is_integer():
        return _holds(wanted, kind)
    floats = (pl.Float16, pl.Float32, pl.Float64)
    return kind in floats and wanted in floats and floats.index(kind) < floats.index(wanted)


def _holds(wanted: pl.DataType, kind: pl.DataType) -> bool:
    """Whether an integer type holds every value of another."""
    bits = {each: int(str(each).lstrip("UInt")) for each in (wanted, kind)}
    spare = bits[wanted] - bits[kind]
    if wanted.is_signed_integer() == kind.is_signed_integer():
        return spare >= 0
    return wanted.is_signed_integer() and spare > 0


def _require_storable(frame: pl.DataFrame | pl.LazyFrame, target: Target) -> None:
    import polars as pl

    eager = isinstance(frame, pl.DataFrame)
    if eager and all(type(dtype).__name__ in SIMPLE for dtype in frame.dtypes):
        return
    for name, dtype in frame.collect_schema().items():
        if isinstance(dtype, pl.Object):
            problem = f"the column {name!r} holds Python objects"
            raise target.refuse(problem, "give it a polars type")
        if extension := extension_in(dtype):
            problem = (
                f"the column {name!r} is of the extension type {extension}, which readers of "
                "Parquet do not know"
            )
            raise target.refuse(problem, "cast it to a plain type; in DuckDB, to VARCHAR")
        if wide := _WIDE.search(type_text(dtype)):
            problem = (
                f"the column {name!r} is {wide[0]}, which readers of Parquet other than polars "
                "do not know"
            )
            raise target.refuse(problem, "cast it to pl.Decimal(38, 0), or to pl.String")


def _require_names(frame: pl.DataFrame | pl.LazyFrame, target: Target) -> None:
    """Refuse column names that are the same in SQL, or that SQL cannot have."""
    own = "" if target.column is None else target.column.name
    seen = {own.lower(): own} if own else {}
    names = frame.columns if hasattr(frame, "height") else frame.collect_schema().names()
    for name in names:
        first_name = seen.setdefault(name.lower(), name)
        if own and first_name == own:
            problem = f"the column {name!r} is in SQL the same as {own!r}, which stands in the path"
            raise target.refuse(problem, "give it another name")
        if first_name != name:
            problem = f"the columns {first_name!r} and {name!r} are the same in SQL"
            raise target.refuse(problem, "give one of them another name")
        if "\0" in name:
            raise target.refuse(f"the column {name!r} has a zero byte in its name", "rename it")


def _require_columns(frame: pl.DataFrame | pl.LazyFrame, target: Target) -> None:
    names = frame.collect_schema().names()
    missing = [name for name in target.sort_by if name not in names]
    if missing:
        raise target.refuse(f"the frame lacks {missing}", "it is declared with sort_by of them")
