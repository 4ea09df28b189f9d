"""Reads Parquet that others wrote as a schema says: its units of time, texts, numbers, order.

Knows nothing of datasets, or of how a file is scanned: scans come in, with each file's schema. Only
columns whose types are not the declared ones are checked value by value.
"""

from __future__ import annotations

from functools import partial
from itertools import groupby, product
from typing import TYPE_CHECKING

from partflow.errors import LateReadError, ReadError
from partflow.formats.fingerprint import column_in, type_text
from partflow.formats.fitting import Misfit, bridged
from partflow.formats.schemas import column_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import polars as pl

    Schema = Mapping[str, pl.DataType]


def fitted(path: Path, frame: pl.DataFrame, wanted: Schema) -> pl.DataFrame:
    """A file's frame as the wanted schema; ReadError for a missing column, or a misfit."""
    columns = []
    for name, kind in wanted.items():
        require_column(path, name, frame.columns)
        columns.append(_fit(path, frame[name], kind))
    return frame.select(columns)


def bridged_scan(
    held: Mapping[Path, Schema],
    wanted: Schema,
    scan: Callable[[list[Path], Schema, str | None], pl.LazyFrame],
    origin: str | None,
) -> pl.LazyFrame:
    """The rows of the files, in their order, as the wanted schema.

    `origin`, if any, names a column with each row's path, which is left as it is. Neighbours with
    the same schema are scanned together.

    Raises:
        ReadError: a file lacks a column, or has one of another kind. For a value that does not fit
            it is raised when the frame is collected.
    """
    import polars as pl

    more = [pl.col(origin)] if origin else []
    parts = []
    for _, group in groupby(held.items(), key=lambda pair: _text(pair[1], wanted)):
        files = list(group)
        paths, first = [path for path, _ in files], files[0][1]
        columns = list(_columns(paths, first, wanted))
        types = {name: kind for name, kind in first.items() if name in wanted}
        scanned = scan(paths, types, origin)
        parts.append(scanned.select([*columns, *more]))
    return pl.concat(parts)


def require_column(path: Path, name: str, there: Sequence[str]) -> None:
    """Raise ReadError for a file that lacks a column."""
    if name not in there:
        problem = f"has no column {name!r}; it has {', '.join(there)}"
        raise ReadError(str(path), problem, "have it delivered again, or mend the schema")


def _text(held: Schema, wanted: Schema) -> str:
    """A text of that part of a file's schema which decides how it is read."""
    return repr([(n, type_text(kind)) for n, kind in held.items() if n in wanted])


def _columns(paths: Sequence[Path], held: Schema, wanted: Schema) -> Iterator[pl.Expr]:
    """An expression for each wanted column, over files with the same schema."""
    import polars as pl

    path = paths[0]
    for name, kind in wanted.items():
        require_column(path, name, list(held))
        if type_text(held[name]) == type_text(kind):
            yield column_named(name)
            continue
        _fit(
            path, pl.Series(name, [], held[name]), kind
        )  # Raises now if the type is of another kind.
        fit = partial(_fit_of_some, paths, wanted, kind=kind)
        yield column_named(name).map_batches(fit, return_dtype=kind, is_elementwise=True)


def _fit(path: Path, column: pl.Series, kind: pl.DataType) -> pl.Series:
    values = bridged(column, kind)
    if isinstance(values, Misfit):
        raise ReadError(str(path), f"column {column.name!r}: {values.problem}", values.advice)
    return values.alias(column.name)


def _fit_of_some(
    paths: Sequence[Path], wanted: Schema, column: pl.Series, kind: pl.DataType
) -> pl.Series:
    """As `_fit`, for files that are scanned together; LateReadError names the file that misfits.

    polars tries columns in parallel. So that the message is always the same, the error is for the
    first misfit in the order of files and columns.
    """
    outcome = bridged(column, kind)
    if not isinstance(outcome, Misfit):
        return outcome
    path, name = paths[0], column.name
    for each, (other, its_kind) in product(paths, wanted.items()):
        own = bridged(column_in(each, other), its_kind)
        if isinstance(own, Misfit):
            path, name, outcome = each, other, own
            break
    raise LateReadError(f"{path}: column {name!r}: {outcome.problem}; {outcome.advice}")
