"""The formats in which a partition's file is written and read: Parquet and skops; CSV and NDJSON.

Knows nothing of datasets or partitions: a path comes in, a value or a file comes out.
The last two are formats of sources only: others write them, so they have no `stage`.
"""

from __future__ import annotations

import functools
import hashlib
import io
from collections.abc import Hashable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol

from partflow.errors import ReadError
from partflow.formats.bridging import bridged_scan, fitted, require_column
from partflow.formats.csvtext import beginning_of, opened
from partflow.formats.fingerprint import (
    bytes_or_path,
    file_digest,
    fingerprint_frame,
    fingerprint_parquet,
    type_text,
    unreadable,
)
from partflow.formats.fitting import Misfit, parsed
from partflow.formats.jsontext import as_read, fields_in, naming_lines, require_utf8
from partflow.formats.notnumbers import WITHOUT_RANGES, statistics_of, streamed_nan
from partflow.formats.schemas import instances
from partflow.formats.skops import Skops
from partflow.formats.texttypes import RULES, typed
from partflow.formats.vetting import rows_in
from partflow.formats.widening import common_schema, is_as, widened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import polars as pl

    Schema = Mapping[str, pl.DataType]

_AT_ONCE = 256 * 2**20
"""A frame of up to so many bytes is encoded in memory and written at once."""

_TEXT_AT_ONCE = 64 * 2**20
"""Files of text of up to so many bytes in all are read at once, also as a lazy frame."""

_GLOB = frozenset("*?[")


class SourceFormat(Protocol):
    """How the files of a source are read. Reading raises `ReadError`."""

    @property
    def name(self) -> str:
        """What a declaration calls it."""

    @property
    def extension(self) -> str:
        """The ending of its files, without the dot."""

    def read(self, path: Path) -> object:
        """The value in the file."""

    def fingerprint(self, path: Path) -> str:
        """The content fingerprint of the value in the file."""


class Format(SourceFormat, Protocol):
    """How one value is kept in one file. A project may bring its own."""

    def stage(self, value: Any, path: Path, metadata: Mapping[str, str]) -> None:
        """Writes the value to `path`, with the metadata if the format has a place for it."""


class Tabular(SourceFormat, Protocol):
    """A format of frames, many files of which are read as one."""

    def scan(self, paths: Sequence[Path], origin: str | None) -> pl.LazyFrame:
        """The rows of the files in their order; `origin` names a column for each row's path."""


@dataclass(frozen=True, slots=True)
class Parquet:
    """Parquet through polars, zstd inside; the metadata stands in the footer.

    `own` are files that a task wrote: what an older one lacks of the schema is null. Those of
    others are read as it says, as far as no value changes by that. A `column` must stand in all
    files of one read, or in none.
    """

    ordered: bool = False
    schema: Schema | None = None
    own: bool = False
    column: str | None = None

    name = "parquet"
    extension = "parquet"

    def stage(
        self, value: pl.DataFrame | pl.LazyFrame, path: Path, metadata: Mapping[str, str]
    ) -> None:
        """Writes a frame; what is lazy is streamed, and written once more if it holds NaN."""
        import polars as pl

        if isinstance(value, pl.DataFrame):
            kept = statistics_of(value)
            value.write_parquet(path, compression="zstd", metadata=dict(metadata), statistics=kept)
            return
        value.sink_parquet(path, compression="zstd", metadata=dict(metadata))
        if streamed_nan(path):
            found = _scanned(path, None, None)
            second = path.with_name(f"{path.name}.again")
            try:
                found.sink_parquet(
                    second, compression="zstd", metadata=dict(metadata), statistics=WITHOUT_RANGES
                )
                second.replace(path)
            finally:
                second.unlink(missing_ok=True)

    def write(
        self,
        frame: pl.DataFrame,
        path: Path,
        metadata: Mapping[str, str],
        encoded: bytes | None = None,
    ) -> str:
        """Writes a frame that is in memory; the SHA-256 of the bytes that were to be written.

        `encoded` is what `encode` made of the frame with the same metadata, if that was done.
        """
        if encoded is None and frame.estimated_size() > _AT_ONCE:
            self.stage(frame, path, metadata)
            return file_digest(path)[0]
        data = encoded if encoded is not None else self.encode([(frame, metadata)])[0]
        with open(path, "wb", buffering=0) as file:  # noqa: PTH123 - for each partition
            left = memoryview(data)
            while left:
                left = left[file.write(left) :]
        return hashlib.sha256(data).hexdigest()

    def encode(self, frames: Sequence[tuple[pl.DataFrame, Mapping[str, str]]]) -> list[bytes]:
        """The bytes of a file for each frame with its metadata.

        Made in one query, many small ones take two thirds of the time: threads are woken once.
        """
        import polars as pl

        buffers = [io.BytesIO() for _ in frames]
        sinks = [
            frame.lazy().sink_parquet(
                buffer,
                compression="zstd",
                metadata=dict(metadata),
                statistics=statistics_of(frame),
                lazy=True,
            )
            for (frame, metadata), buffer in zip(frames, buffers, strict=True)
        ]
        pl.collect_all(sinks, optimizations=pl.QueryOptFlags.none(), engine="streaming")
        return [buffer.getvalue() for buffer in buffers]

    def read(self, path: Path) -> pl.DataFrame:
        """The frame in the file."""
        import polars as pl

        with reading(path):
            if self.schema is None:
                return self._scan(bytes_or_path(path), None).collect()
            if self.own:
                try:
                    return self._scan(bytes_or_path(path), None).collect()
                except pl.exceptions.PolarsError:
                    return self.scan([path], None).collect()
            wanted = instances(self.schema)
            scan = _scanned(bytes_or_path(path), None, None)
            there = scan.collect_schema().names()
            for name in wanted:
                require_column(path, name, there)
            return fitted(path, scan.select(wanted.keys()).collect(), wanted)

    def columns(self, path: Path) -> list[str]:
        """The names of the file's columns; its rows are not read."""
        return list(self.types(path))

    def types(self, path: Path) -> Schema:
        """The columns of the file and their types; its rows are not read."""
        import polars as pl

        with reading(path):
            return pl.read_parquet_schema(path)

    def require_schema(self, path: Path) -> None:
        """Raise ReadError if the file's columns cannot be read as the schema says, if there is one.

        Of columns that are not as it says all values are read.
        """
        if self.schema is None:
            return
        with reading(path):
            held, wanted = self.types(path), instances(self.schema)
            for name in wanted:
                require_column(path, name, list(held))
            others = {n: k for n, k in wanted.items() if type_text(held[n]) != type_text(k)}
            if others:
                fitted(path, _scanned(path, None, None).select(others.keys()).collect(), others)

    def fingerprint(self, path: Path) -> str:
        """The fingerprint of the values, whoever wrote the file."""
        rows_in(path)  # it may be anybody's file
        return fingerprint_parquet(path, ordered=self.ordered)

    def scan(self, paths: Sequence[Path], origin: str | None) -> pl.LazyFrame:
        """The rows of all files, columns by name: one scan where the schemas are the same.

        Else numbers become as wide as is needed, and what a file lacks is null; what others wrote
        is as their declared schema says.
        """
        if self.schema is None and len(paths) == 1:
            return self._scan(list(paths), origin)
        held = {path: self.types(path) for path in paths}
        if self.schema is not None and not self.own:
            return bridged_scan(held, instances(self.schema), _scanned, origin)
        wanted = common_schema(held, self.column) if self.schema is None else instances(self.schema)
        if is_as(list(held.values()), wanted):
            return self._scan(list(paths), origin)
        return widened(held, wanted, lambda some: _scanned(some, None, origin), origin)

    def _scan(self, source: bytes | Path | list[Path], origin: str | None) -> pl.LazyFrame:
        return _scanned(source, self.schema, origin)


def _scanned(
    source: bytes | Path | list[Path], schema: Schema | None, origin: str | None
) -> pl.LazyFrame:
    """One scan of Parquet; with a schema what is more in the files is left out."""
    import polars as pl

    return pl.scan_parquet(
        source,
        hive_partitioning=False,
        glob=False,
        include_file_paths=origin,
        schema=instances(schema) if schema is not None else None,
        extra_columns="raise" if schema is None else "ignore",
        cast_options=pl.ScanCastOptions(integer_cast="upcast", float_cast="upcast"),
    )


@dataclass(frozen=True, slots=True)
class Csv:
    """Comma-separated text with a header, typed by the schema or else from the whole file.

    Columns that the schema doesn't name are left out; one that it names and the file lacks is an
    error, as is a line that has too few fields, or too many. Blank lines are no rows.
    """

    schema: Schema | None = None
    at_once: int = _TEXT_AT_ONCE

    name = "csv"
    extension = "csv"

    def read(self, path: Path) -> pl.DataFrame:
        """The frame in the file."""
        with reading(path):
            file = opened(path)
            if self.schema is None:
                return file.rows(typed)
            return file.rows(functools.partial(_fitted, path, schema=self.schema))

    def fingerprint(self, path: Path) -> str:
        """The fingerprint of the values as read: quoting, line ends and order don't count."""
        return fingerprint_frame(self.read(path))

    def scan(self, paths: Sequence[Path], origin: str | None) -> pl.LazyFrame:
        """What `read` gives of each file; read piece by piece if they are large and have a schema.

        Without one all files are read at once, since only values tell the types.
        """
        if self.schema is None or _nbytes(paths) <= self.at_once:
            return _read_alike(self, paths, origin).lazy()
        return _pieces(self, paths, origin, self.schema)

    def pieces(self, path: Path) -> Iterator[pl.DataFrame]:
        """What `read` gives, some rows at a time."""
        assert self.schema is not None
        try:
            with reading(path):
                for rows in opened(path).batches():
                    yield _fitted(path, rows, self.schema)
        except ReadError:
            self.read(path)  # of several things that are wrong it says the first
            raise

    def columns(self, path: Path) -> list[str]:
        """The names in the file's header; its rows are not read."""
        with reading(path):
            return list(opened(path).names)

    def held(self, path: Path, frame: pl.DataFrame) -> Schema:
        """What a file holds of which `read` gave the frame: what that leaves out is text."""
        return frame.schema if self.schema is None else _with(frame, self.columns(path))


@dataclass(frozen=True, slots=True)
class Ndjson:
    """A JSON object a line, typed by the schema or else from the whole file.

    A field that a line lacks is null; fields that the schema doesn't name are left out. Dates are
    text unless the schema says otherwise, as JSON has none.
    """

    schema: Schema | None = None
    at_once: int = _TEXT_AT_ONCE

    name = "ndjson"
    extension = "ndjson"

    def read(self, path: Path) -> pl.DataFrame:
        """The frame in the file."""
        import polars as pl

        with reading(path), naming_lines(path):
            # Bytes, because polars takes a path for a pattern here, and one with `[` finds nothing.
            source = path.read_bytes()
            require_utf8(path, source)
            if self.schema is None:
                return pl.read_ndjson(source, infer_schema_length=None)
            return _fitted(path, pl.read_ndjson(source, schema=as_read(self.schema)), self.schema)

    def columns(self, path: Path) -> list[str]:
        """The names of all fields of the file, which any of its lines may have."""
        return self.read(path).columns

    def held(self, path: Path, frame: pl.DataFrame) -> Schema:
        """As of CSV; what is left out is told by the first lines."""
        if self.schema is None:
            return frame.schema
        with reading(path):
            return _with(frame, fields_in(beginning_of(path)))

    def fingerprint(self, path: Path) -> str:
        """The fingerprint of the values as read: spacing and the order of lines don't count."""
        return fingerprint_frame(self.read(path))

    def scan(self, paths: Sequence[Path], origin: str | None) -> pl.LazyFrame:
        """What `read` gives of each file; read piece by piece if they are large and have a schema.

        Without one all files are read at once, since only values tell the types.
        """
        patterns = any(_GLOB.intersection(str(path)) for path in paths)
        if self.schema is None or patterns or _nbytes(paths) <= self.at_once:
            return _read_alike(self, paths, origin).lazy()
        return _pieces(self, paths, origin, self.schema)

    def pieces(self, path: Path) -> Iterator[pl.DataFrame]:
        """What `read` gives, some rows at a time."""
        import polars as pl

        assert self.schema is not None
        with reading(path), naming_lines(path):
            require_utf8(path, beginning_of(path))
            for rows in pl.scan_ndjson(path, schema=as_read(self.schema)).collect_batches():
                yield _fitted(path, rows, self.schema)


def format_named(
    name: str, schema: Schema | None = None, *, ordered: bool = False, own: bool = False
) -> Parquet | Csv | Ndjson | Skops:
    """The format of that name; `KeyError` if there is none."""
    match name:
        case "parquet":
            return Parquet(ordered, schema, own)
        case "csv":
            return Csv(schema)
        case "ndjson":
            return Ndjson(schema)
        case "skops":
            return Skops()
        case _:
            raise KeyError(name)


class Declared(Protocol):
    """What a format needs to know of a dataset's declaration."""

    @property
    def format(self) -> str:
        """The format's name."""

    @property
    def schema(self) -> Any:
        """The declared columns, or None."""

    @property
    def sort_by(self) -> Any:
        """The columns that order the rows, if they do."""

    @property
    def is_source(self) -> bool:
        """Whether others write it."""

    @property
    def trusted(self) -> tuple[str, ...]:
        """The types that a skops file may hold."""


def format_of(dataset: Declared) -> Parquet | Csv | Ndjson | Skops:
    """The format in which a dataset's files are kept, with what it declares."""
    if dataset.format == "skops":
        return Skops(dataset.trusted)
    return format_named(
        dataset.format, dataset.schema, ordered=bool(dataset.sort_by), own=not dataset.is_source
    )


@functools.lru_cache(maxsize=4096)
def way_of(dataset: Declared) -> Hashable:
    """All that decides what reading one of a dataset's files gives.

    Two datasets with the same way read the same from one file: see `HandOver`.
    """
    form = format_of(dataset)
    return (form.name, *(_hashable(getattr(form, each.name)) for each in fields(form)))


def _hashable(value: Hashable) -> Hashable:
    return tuple(value.items()) if isinstance(value, Mapping) else value


def rules_of(dataset: Declared) -> int:
    """The number of the rules by which a dataset's files are typed and checked; 0 if they are not.

    What was read by older ones may have come to other values.
    """
    return RULES if dataset.format in {"csv", "ndjson"} else 0


def footer(path: Path) -> dict[str, str]:
    """The metadata that was staged with a Parquet file, and what its writer added."""
    import polars as pl

    with reading(path):
        return dict(pl.read_parquet_metadata(path))


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what polars and the disk raise over a file into a `ReadError`."""
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise unreadable(path, error) from error


def require_alike(schemas: Mapping[Path, Schema]) -> None:
    """Raises `ReadError` for the first file whose columns differ from those of the first file."""
    (first, wanted), *others = schemas.items()
    for path, schema in others:
        for name in [*wanted, *schema]:
            one, other = wanted.get(name), schema.get(name)
            texts = [type_text(each) if each is not None else "missing" for each in (one, other)]
            if texts[0] != texts[1]:
                problem = f"column {name!r} is {texts[1]}, and in {first} it is {texts[0]}"
                raise ReadError(str(path), problem, "declare a schema for files that vary")


def _fitted(path: Path, frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """The columns of a schema out of a frame of text, each as the type that it says."""
    columns = []
    for name, kind in instances(schema).items():
        require_column(path, name, frame.columns)
        found = parsed(frame[name], kind) if frame[name].dtype != kind else frame[name]
        if isinstance(found, Misfit):
            raise ReadError(str(path), f"column {name!r}: {found.problem}", found.advice)
        columns.append(found)
    return frame.select(columns)


def _with(frame: pl.DataFrame, names: Iterable[str]) -> Schema:
    import polars as pl

    return {**frame.schema, **{n: pl.String() for n in names if n not in frame.schema}}


def _nbytes(paths: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def _pieces(
    form: Csv | Ndjson, paths: Sequence[Path], origin: str | None, schema: Schema
) -> pl.LazyFrame:
    """The rows of files as a lazy frame that reads some at a time."""
    import polars as pl
    from polars.io.plugins import register_io_source

    def taken(
        columns: list[str] | None, predicate: pl.Expr | None, limit: int | None, _size: int | None
    ) -> Iterator[pl.DataFrame]:
        for path in paths:
            for piece in form.pieces(path):
                frame = _marked(piece, path, origin)
                frame = frame if predicate is None else frame.filter(predicate)
                frame = frame if columns is None else frame.select(columns)
                yield frame if limit is None else frame.head(limit)
                if limit is not None and (limit := limit - frame.height) <= 0:
                    return

    types = instances(schema) | ({origin: pl.String()} if origin else {})
    return register_io_source(taken, schema=types, is_pure=True)


def _marked(frame: pl.DataFrame, path: Path, origin: str | None) -> pl.DataFrame:
    """A frame with a column of that name that says from which file it is."""
    import polars as pl

    return frame if origin is None else frame.with_columns(pl.lit(str(path)).alias(origin))


def _read_alike(form: Csv | Ndjson, paths: Sequence[Path], origin: str | None) -> pl.DataFrame:
    """The rows of files whose types must agree; one without rows has no say in them."""
    import polars as pl

    frames = {path: form.read(path) for path in paths}
    voices = {path: frame for path, frame in frames.items() if frame.height} or frames
    schemas = {path: frame.schema for path, frame in voices.items()}
    require_alike(schemas)
    schema = next(iter(schemas.values()))
    parts = []
    for path, frame in frames.items():
        part = frame.select(schema.keys()) if frame.height else pl.DataFrame(schema=schema)
        parts.append(_marked(part, path, origin))
    return pl.concat(parts)
