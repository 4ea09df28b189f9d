"""Reads files into what a task's parameter asks for, and writes frames to files.

Knows nothing of tasks, graphs or where files lie: paths come in, with what a dataset declares.
"""

from __future__ import annotations

import datetime as dt
import functools
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol, assert_never

from partflow.declarations.parameters import ParameterKind
from partflow.errors import ReadError
from partflow.formats.connections import Relations
from partflow.formats.fingerprint import (
    StreamedFingerprint,
    file_digest,
    fingerprint_frame,
    fingerprint_frames,
    fingerprint_parquet,
)
from partflow.formats.format import Contents
from partflow.formats.parquet import Parquet
from partflow.formats.schemas import schema_text
from partflow.formats.unreadable import unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from partflow.formats.format import FrameFormat

_ORIGIN = "__partflow_origin__"
LARGE = 2**17
"""Files of on average at least this many bytes are read one by one, not in one scan."""


class ObjectFormat(Protocol):
    """How a file of one value is read."""

    def read(self, path: Path) -> object:
        """The value in the file."""


@dataclass(frozen=True, slots=True)
class PartitionColumn:
    """The column that is in a file's path instead of the file: one value for each file, in order.

    Without a `zone` the values are dates. With one they are moments, aware or naive in UTC, and are
    shown in that zone.
    """

    name: str
    values: tuple[dt.date | dt.datetime, ...]
    zone: str | None = None

    def series(self) -> pl.Series:
        """The values, as dates or as aware datetimes in the zone."""
        return _series(self)


@functools.lru_cache(maxsize=256)
def _series(column: PartitionColumn) -> pl.Series:
    import polars as pl

    if column.zone is None:
        days = [dt.date(each.year, each.month, each.day) for each in column.values]
        return pl.Series(column.name, days, dtype=pl.Date)
    moments = [_since_epoch(each) for each in column.values]
    stamps = pl.Series(column.name, moments, dtype=pl.Int64).cast(pl.Datetime("us", "UTC"))
    return stamps.dt.convert_time_zone(column.zone)


def encode_frames(
    frames: Sequence[tuple[pl.DataFrame, Mapping[str, str]]],
) -> list[tuple[bytes, str]]:
    """For each frame with its metadata the bytes of its file, and its content fingerprint.

    All are encoded together, and no file is written. The order of rows does not count.
    """
    contents = fingerprint_frames([frame for frame, _ in frames])
    return list(zip(Parquet().encode(frames), contents, strict=True))


def read_frames(
    paths: Sequence[Path],
    column: PartitionColumn | None,
    form: FrameFormat,
    kind: ParameterKind,
    relations: Relations | None = None,
) -> object:
    """The rows of the files, in their order, as what a parameter of that kind gets.

    A DuckDB relation is opened on the connection of `relations`, or else on one of its own.
    The partition column comes last; but if the files have a column of that name, theirs is kept.
    A lazy frame reads Parquet, and text with a schema, only when it is collected. Then polars
    raises what is wrong with a file, and `explain` says which file it was.

    Raises:
        ReadError: a file cannot be read, or the files' types differ and no schema is declared.
    """
    import polars as pl

    if kind is ParameterKind.PATHS:
        return list(paths)
    if kind is not ParameterKind.LAZY and len(paths) == 1:
        return as_kind(_read_one(paths[0], column, form), kind, relations)
    if kind is not ParameterKind.LAZY:
        each = _read_each(paths, column, form)
        if each is not None:
            return as_kind(each, kind, relations)
    lazy = _scan(paths, column, form)
    if kind is ParameterKind.LAZY:
        return lazy
    try:
        frame = lazy.collect()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise explain(paths, form) or unreadable(paths[0], error) from error
    return as_kind(frame, kind, relations)


def read_objects(paths: Sequence[Path], form: ObjectFormat) -> object:
    """The object in the file; a list of objects for several files, None for no file.

    Raises:
        ReadError: a file cannot be read.
    """
    if len(paths) == 1:
        return form.read(paths[0])
    return [form.read(each) for each in paths] or None


def explain(paths: Sequence[Path], form: FrameFormat) -> ReadError | None:
    """The error of the file that makes a read of these fail; None if all can be read.

    It reads one file after the other.
    """
    if not paths:
        return None
    try:
        form.require_together(paths)
    except ReadError as error:
        return error
    return None


def stage_frame(
    frame: pl.DataFrame | pl.LazyFrame,
    path: Path,
    metadata: Mapping[str, str],
    ordered: bool = False,  # noqa: FBT001, FBT002
    encoded: tuple[bytes, str] | None = None,
) -> tuple[Contents, str]:
    """Write a frame as Parquet; returns what its file holds, and the SHA-256 of its bytes in hex.

    A lazy frame is streamed, and its rows are hashed as they pass; if the order of rows counts,
    with `ordered`, the file is read again for that. `encoded` is what `encode_frames` gave for the
    frame, if it was called.
    """
    import polars as pl

    if isinstance(frame, pl.DataFrame):
        data, content = encoded or (None, None)
        sha256 = Parquet().write(frame, path, metadata, data)
        content = content or fingerprint_frame(frame, ordered=ordered)
        return Contents(content, frame.height, schema_text(frame.schema)), sha256
    passed, schema = StreamedFingerprint(), frame.collect_schema()
    Parquet().stream(frame, path, metadata, passed.add)
    content = fingerprint_parquet(path, ordered=True) if ordered else passed.of(schema)
    return Contents(content, passed.rows, schema_text(schema)), file_digest(path)[0]


def streamed(batches: Iterator[pl.DataFrame], schema: pl.Schema) -> pl.LazyFrame:
    """A lazy frame over an iterator of batches; it can be collected once only."""
    from polars.io.plugins import register_io_source

    def taken(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, _size: int | None
    ) -> Iterator[pl.DataFrame]:
        for batch in batches:
            frame = batch if predicate is None else batch.filter(predicate)
            frame = frame if columns is None else frame.select(columns)
            yield frame if limit is None else frame.head(limit)
            if limit is not None and (limit := limit - frame.height) <= 0:
                return

    return register_io_source(taken, schema=schema)


def _scan(paths: Sequence[Path], column: PartitionColumn | None, form: FrameFormat) -> pl.LazyFrame:
    import polars as pl

    if not paths:
        return _nothing(column, form.schema).lazy()
    if column is None:
        return form.scan(paths, None)
    form = form.beside(column.name)
    # One scan of many files costs a sixth of as many scans; the path tells the partition.
    origin = _ORIGIN if len(paths) > 1 else None
    scan = form.scan(paths, origin)
    theirs = scan.collect_schema().names() if form.schema is None else form.schema
    if column.name in theirs:
        return scan.drop(origin) if origin else scan
    values = column.series()
    if origin is None:
        value = pl.lit(values.to_physical()[0]).cast(values.dtype)
        return scan.with_columns(value.alias(column.name))
    origins = pl.Series([str(each) for each in paths], dtype=pl.String)
    value = pl.col(origin).replace_strict(origins, values, return_dtype=values.dtype)
    return scan.with_columns(value.alias(column.name)).drop(origin)


def _read_one(path: Path, column: PartitionColumn | None, form: FrameFormat) -> pl.DataFrame:
    """What scanning and collecting one file gives, without the cost of a query."""
    frame = form.read(path)
    if column is None or column.name in frame.columns:
        return frame
    return frame.hstack([column.series().new_from_index(0, frame.height)])


def _read_each(
    paths: Sequence[Path], column: PartitionColumn | None, form: FrameFormat
) -> pl.DataFrame | None:
    """Large files, read one after the other; None if a scan has to read them.

    One scan would take the partition from each row's path, which takes as long as the reading. But
    a scan is quicker for small files, and knows what to do where columns differ.
    """
    import polars as pl

    frames: list[pl.DataFrame] = []
    with suppress(OSError, ReadError):
        if not paths or sum(path.stat().st_size for path in paths) < LARGE * len(paths):
            return None
        for i, path in enumerate(paths):
            frame = form.read(path)
            if column is not None and column.name in frame.columns:
                return None
            if column is not None:
                own = replace(column, values=column.values[i : i + 1])
                frame = frame.hstack([own.series().new_from_index(0, frame.height)])
            frames.append(frame)
            if frame.schema != frames[0].schema:
                return None
        return pl.concat(frames)
    return None


def _nothing(
    column: PartitionColumn | None, schema: Mapping[str, pl.DataType] | None
) -> pl.DataFrame:
    import polars as pl

    if schema is None:
        message = "BUG: an empty read needs a declared schema; the graph is to refuse it"
        raise AssertionError(message)
    frame = pl.DataFrame(schema=dict(schema))
    if column is None or column.name in frame.columns:
        return frame
    return frame.hstack([column.series().clear()])


def as_kind(frame: pl.DataFrame, kind: ParameterKind, relations: Relations | None = None) -> object:
    """A frame as what a parameter of that kind gets; `relations` as for `read_frames`."""
    match kind:
        case ParameterKind.LAZY:
            return frame.lazy()
        case ParameterKind.EAGER:
            return frame
        case ParameterKind.ARROW:
            return frame.to_arrow()
        case ParameterKind.DUCKDB:
            return (relations or Relations()).over(frame.to_arrow())
        case ParameterKind.PATHS | ParameterKind.PARTITION | ParameterKind.OBJECT:
            message = f"BUG: {kind} is not a frame"
            raise AssertionError(message)
    assert_never(kind)


def _since_epoch(value: dt.date | dt.datetime) -> int:
    """Microseconds from 1970 to a moment; a naive one is in UTC."""
    zone = getattr(value, "tzinfo", None)
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC if zone else None)
    return (value - epoch) // dt.timedelta(microseconds=1)
