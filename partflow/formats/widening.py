"""Reads files of several schemas as one frame: numbers become wider, missing columns are null.

Knows nothing of datasets, or of how a file is scanned or counted: scans come in, with each file's
schema.
"""

from __future__ import annotations

from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from partflow.errors import LateReadError, ReadError
from partflow.formats.fingerprint import column_in, type_text
from partflow.formats.schemas import column_named, holding, is_rounded, schema_text, united_by_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import polars as pl

    Schema = Mapping[str, pl.DataType]
    Scan = Callable[[list[Path]], pl.LazyFrame]
    HasRows = Callable[[Path], bool]

_ADVICE = "read them apart, make one of them again, or declare a schema for files that vary"


def common_schema(
    held: Mapping[Path, Schema], column: str | None, has_rows: HasRows
) -> dict[str, pl.DataType]:
    """The schema that holds those of all files.

    `column` is the partition column, which all files must have, or none. `has_rows` says whether a
    file has rows: one without is not asked for its types.

    Raises:
        ReadError: there is no such schema, or only some files have the partition column. The error
            names two files.
    """
    schema, clashes = united_by_rows([*held.items()], has_rows)
    for clash in clashes:
        first_type = type_text(held[clash.one][clash.column])  # type: ignore[index]
        second_type = type_text(held[clash.other][clash.column])  # type: ignore[index]
        problem = f"column {clash.column!r} is {second_type}, and in {clash.one} it is {first_type}"
        raise ReadError(str(clash.other), problem, _ADVICE)
    if column in schema:
        lacking = next(
            (p for p, types in held.items() if column not in types and has_rows(p)), None
        )
        if lacking is not None:
            whole = next(path for path, types in held.items() if column in types)
            problem = f"the partition column {column!r} is missing, and stands in {whole}"
            raise ReadError(str(lacking), problem, "let it stand in all of the files, or in none")
    return schema


def widened(
    held: Mapping[Path, Schema], wanted: Schema, scan: Scan, origin: str | None, has_rows: HasRows
) -> pl.LazyFrame:
    """The rows of the files, in their order, each column as the wanted type.

    `held` has the schema of each file. `origin`, if any, names the column in which `scan` puts each
    row's path; it is left as it is.

    Raises:
        ReadError: a file has rows, and a column whose values the wanted type does not hold. For
            whole numbers that lose digits as floats it is raised when the frame is collected.
    """
    import polars as pl

    more = [pl.col(origin)] if origin else []
    parts = []
    for _, group in groupby(held.items(), key=lambda pair: schema_text(pair[1])):
        files = list(group)
        paths = [path for path, _ in files]
        columns = _columns(paths, files[0][1], wanted, has_rows)
        parts.append(scan(paths).select([*columns, *more]))
    return pl.concat(parts)


def is_as(held: Sequence[Schema], wanted: Schema) -> bool:
    """Whether all files have exactly these columns and types, and all in the same order."""
    first = schema_text(held[0])
    same = dict(held[0]).keys() == dict(wanted).keys() and all(
        type_text(kind) == type_text(wanted[column]) for column, kind in held[0].items()
    )
    return same and all(schema_text(each) == first for each in held[1:])


def _columns(
    paths: Sequence[Path], held: Schema, wanted: Schema, has_rows: HasRows
) -> Iterator[pl.Expr]:
    """An expression for each wanted column, over files that all have the schema `held`."""
    import polars as pl

    path = paths[0]
    for column, kind in wanted.items():
        own = held.get(column)
        if own is None:
            yield pl.lit(None, dtype=kind).alias(column)
            continue
        both = holding(own, kind)
        if both is None or type_text(both) != type_text(kind):
            if not has_rows(path):
                yield pl.lit(None, dtype=kind).alias(column)
                continue
            problem = (
                f"column {column!r} is {type_text(own)}, and the schema says {type_text(kind)}"
            )
            raise ReadError(str(path), problem, "make it again, or change the schema")
        if is_rounded(own, kind):
            tried = partial(_exact, paths)
            yield column_named(column).map_batches(tried, return_dtype=kind, is_elementwise=True)
        else:
            yield column_named(column).cast(kind)


def _exact(paths: Sequence[Path], values: pl.Series) -> pl.Series:
    """Whole numbers as Float64.

    Raises:
        LateReadError: a number has more digits than a float holds. The error names its file.
    """
    import polars as pl

    lost = _lost(values)
    if lost.any():
        path = next((p for p in paths if _lost(column_in(p, values.name)).any()), paths[0])
        value = values.filter(lost)[0]
        problem = f"column {values.name!r} has digits that Float64 does not hold ({value})"
        raise LateReadError(f"{path}: {problem}; {_ADVICE}")
    return values.cast(pl.Float64)


def _lost(values: pl.Series) -> pl.Series:
    """A mask of the whole numbers that have more digits than a float holds."""
    import polars as pl

    back = values.cast(pl.Float64).cast(pl.Int128, strict=False)
    return (values.cast(pl.Int128) != back).fill_null(values.is_not_null() & back.is_null())
