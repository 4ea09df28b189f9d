"""What a task returned, checked against what was declared and made ready to be stored.

Knows nothing of tasks, graphs or files: a result and its target come in, a frame comes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from partflow.errors import ResultError
from partflow.frames import PartitionColumn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import polars as pl

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Target:
    """What a result is to be stored as; the values of `column` are those that its rows may have."""

    dataset: str
    key: str
    schema: Mapping[str, pl.DataType] | None = None
    sort_by: tuple[str, ...] = ()
    column: PartitionColumn | None = None

    def refuse(self, problem: str, advice: str) -> ResultError:
        """The error for a result that can't be stored as this."""
        return ResultError(self.dataset, self.key, problem, advice)


def normalise(result: object, target: Target) -> pl.DataFrame | pl.LazyFrame:
    """What a task returned, as the frame to store: checked, in the schema's order, sorted.

    The partition column, if the result carries it, is compared with the partition and dropped. Of
    a lazy frame the values are compared while it is streamed, so that the error comes from there.
    Types must be the schema's, but whole numbers and floats may be narrower, a column of nothing
    but nulls may be untyped, and decimals without fraction (DuckDB's sums) may stand for integers.

    Raises:
        ResultError: it is no frame, or not the frame that was declared.
    """
    frame = _as_polars(result, target)
    if target.column is not None:
        frame = _without_column(frame, target.column, target)
    if target.schema is not None:
        frame = _as_declared(frame, target.schema, target)
    _require_storable(frame, target)
    if target.sort_by:
        _require_columns(frame, target)
        frame = frame.sort(target.sort_by, maintain_order=True)
    return frame


def _as_polars(result: object, target: Target) -> pl.DataFrame | pl.LazyFrame:
    import polars as pl

    if isinstance(result, (pl.DataFrame, pl.LazyFrame)):
        return result
    advice = "return a polars, pyarrow or DuckDB frame"
    if result is None:
        raise target.refuse("the task returned None", advice)
    known: Any = result
    match (type(result).__module__.partition(".")[0], type(result).__name__):
        case ("pyarrow", "Table" | "RecordBatch"):
            return pl.DataFrame(known)
        case ("pyarrow", "RecordBatchReader"):
            return _streamed(known)
        case ("duckdb" | "_duckdb", "DuckDBPyRelation"):
            lazy: pl.LazyFrame = known.pl(lazy=True)
            return lazy
        case ("pandas", "DataFrame"):
            advice = "return polars.from_pandas(frame)"
        case _:
            pass
    raise target.refuse(f"the task returned a {type(result).__name__}", advice)


def _streamed(reader: Any) -> pl.LazyFrame:
    """A reader's batches as a lazy frame that can be collected once."""
    import polars as pl
    from polars.io.plugins import register_io_source

    schema = pl.DataFrame(reader.schema.empty_table()).schema

    def batches(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, _size: int | None
    ) -> Iterator[pl.DataFrame]:
        for batch in reader:
            frame = pl.DataFrame(batch)
            frame = frame if predicate is None else frame.filter(predicate)
            frame = frame if columns is None else frame.select(columns)
            yield frame if limit is None else frame.head(limit)
            if limit is not None and (limit := limit - frame.height) <= 0:
                return

    return register_io_source(batches, schema=schema)


def _without_column(
    frame: pl.DataFrame | pl.LazyFrame, column: PartitionColumn, target: Target
) -> pl.DataFrame | pl.LazyFrame:
    import polars as pl

    schema = frame.collect_schema()
    if column.name not in schema:
        return frame
    allowed = _as_type(column.series(), schema[column.name])
    if allowed is None:
        problem = f"the column {column.name!r} is {schema[column.name]}"
        wanted = column.series().dtype
        raise target.refuse(
            problem, f"make it {wanted} as in the frames that tasks read, or drop it"
        )
    if isinstance(frame, pl.DataFrame):
        _require_values(frame[column.name], allowed, target, counted=True)
        rest = frame.clone()
        rest.drop_in_place(column.name)  # `drop` would go the long way through a query
        return rest

    def check(batch: pl.DataFrame) -> pl.DataFrame:
        # Batches come as they are made, so the counts of one would only mislead.
        _require_values(batch[column.name], allowed, target, counted=False)
        return batch.drop(column.name)

    types = pl.Schema({name: dtype for name, dtype in schema.items() if name != column.name})
    return frame.map_batches(check, schema=types, streamable=True)


def _as_type(allowed: pl.Series, dtype: pl.DataType) -> pl.Series | None:
    """The values in the type that a result chose for them, or None if that can't hold them."""
    import polars as pl

    if dtype == allowed.dtype:
        return allowed
    if not isinstance(dtype, pl.Datetime):
        return None
    if dtype.time_zone is None:  # wall clock of the dataset's zone
        naive = allowed.dt.replace_time_zone(None) if allowed.dtype != pl.Date else allowed
        return naive.cast(dtype)
    return None if allowed.dtype == pl.Date else allowed.cast(dtype)


def _require_values(
    values: pl.Series, allowed: pl.Series, target: Target, *, counted: bool
) -> None:
    import polars as pl

    if allowed.len() == 1 and values.eq_missing(allowed).all():
        return
    wrong = values.filter(~values.is_in(allowed.implode()).fill_null(value=False))
    if not wrong.len():
        return
    counts = wrong.cast(pl.String).fill_null("null").value_counts(sort=True, name="rows")
    shown = counts.head(_SHOWN).iter_rows()
    found = [
        f"{value} ({rows:,} row{'s'[: rows - 1]})" if counted else value for value, rows in shown
    ]
    if counts.height > _SHOWN:
        found.append(f"{counts.height - _SHOWN:,} more values")
    problem = f"the column {values.name!r} holds {', '.join(found)}, not of this partition"
    raise target.refuse(problem, "return only this partition's rows, or leave the column out")


def _as_declared(
    frame: pl.DataFrame | pl.LazyFrame, declared: Mapping[str, pl.DataType], target: Target
) -> pl.DataFrame | pl.LazyFrame:
    import polars as pl

    found = frame.collect_schema()
    if len(found) == len(declared) and list(found.items()) == list(declared.items()):
        return frame
    missing = [name for name in declared if name not in found]
    extra = [name for name in found if name not in declared]
    if missing or extra:
        told = [f"lacks {missing}"] * bool(missing) + [f"has {extra} too"] * bool(extra)
        advice = "return the columns of the schema, or change the schema"
        raise target.refuse(f"the frame {' and '.join(told)}", advice)
    for name, wanted in declared.items():
        if not _widens(found[name], wanted):
            problem = f"the column {name!r} is {found[name]}, and the schema says {wanted}"
            raise target.refuse(problem, f"cast it to {wanted}, or change the schema")
    columns = [pl.col(name).cast(wanted) for name, wanted in declared.items()]
    try:
        return frame.select(columns)
    except pl.exceptions.InvalidOperationError as error:
        problem = str(error).strip().splitlines()[0]
        raise target.refuse(problem, "cast it, or change the schema") from error


def _widens(found: pl.DataType, wanted: pl.DataType) -> bool:
    """Whether every value of one type stands in the other as it is, or the cast will tell."""
    import polars as pl

    if found == wanted or isinstance(found, pl.Null):
        return True
    if isinstance(found, pl.List) and isinstance(wanted, pl.List):
        return _widens(found.inner, wanted.inner)  # type: ignore[arg-type]
    if isinstance(found, pl.Decimal):
        return found.scale == 0 and wanted.is_integer()
    if found.is_integer() and wanted.is_integer():
        return _holds(wanted, found)
    floats = (pl.Float16, pl.Float32, pl.Float64)
    return found in floats and wanted in floats and floats.index(found) < floats.index(wanted)


def _holds(wanted: pl.DataType, found: pl.DataType) -> bool:
    """Whether an integer type holds every value of another."""
    bits = {each: int(str(each).lstrip("UInt")) for each in (wanted, found)}
    spare = bits[wanted] - bits[found]
    if wanted.is_signed_integer() == found.is_signed_integer():
        return spare >= 0
    return wanted.is_signed_integer() and spare > 0


def _require_storable(frame: pl.DataFrame | pl.LazyFrame, target: Target) -> None:
    import polars as pl

    for name, dtype in frame.collect_schema().items():
        if isinstance(dtype, pl.Object):
            problem = f"the column {name!r} holds Python objects"
            raise target.refuse(problem, "give it a polars type")


def _require_columns(frame: pl.DataFrame | pl.LazyFrame, target: Target) -> None:
    names = frame.collect_schema().names()
    missing = [name for name in target.sort_by if name not in names]
    if missing:
        raise target.refuse(f"the frame lacks {missing}", "it is declared with sort_by of them")
