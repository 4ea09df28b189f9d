"""The formats in which a partition's file is written and read: Parquet and skops; CSV and NDJSON.

Knows nothing of datasets or partitions: a path comes in, a value or a file comes out.
The last two are formats of sources only: others write them, so they have no `stage`.
"""

from __future__ import annotations

import functools
import hashlib
import io
import re
from collections.abc import Hashable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol

from partflow.content import (
    bytes_or_path,
    file_digest,
    fingerprint_frame,
    fingerprint_parquet,
    type_text,
    unreadable,
)
from partflow.errors import ReadError
from partflow.models import Skops
from partflow.vetting import rows_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import polars as pl

    Schema = Mapping[str, pl.DataType]

_AT_ONCE = 256 * 2**20
"""A frame of up to so many bytes is encoded in memory and written at once."""

_GLOB = frozenset("*?[")
_TIME = re.compile(r"\s*\d{1,4}[-/.:]\d")


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
    """Parquet through polars, zstd inside; the metadata stands in the footer."""

    ordered: bool = False
    schema: Schema | None = None

    name = "parquet"
    extension = "parquet"

    def stage(
        self, value: pl.DataFrame | pl.LazyFrame, path: Path, metadata: Mapping[str, str]
    ) -> None:
        """Writes a frame; what is lazy is streamed."""
        import polars as pl

        if isinstance(value, pl.LazyFrame):
            value.sink_parquet(path, compression="zstd", metadata=dict(metadata))
        else:
            value.write_parquet(path, compression="zstd", metadata=dict(metadata))

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
                buffer, compression="zstd", metadata=dict(metadata), lazy=True
            )
            for (frame, metadata), buffer in zip(frames, buffers, strict=True)
        ]
        pl.collect_all(sinks, optimizations=pl.QueryOptFlags.none(), engine="streaming")
        return [buffer.getvalue() for buffer in buffers]

    def read(self, path: Path) -> pl.DataFrame:
        """The frame in the file."""
        with reading(path):
            return self._scan(bytes_or_path(path), None).collect()

    def columns(self, path: Path) -> list[str]:
        """The names of the file's columns; its rows are not read."""
        import polars as pl

        with reading(path):
            return list(pl.read_parquet_schema(path))

    def fingerprint(self, path: Path) -> str:
        """The fingerprint of the values, whoever wrote the file."""
        rows_in(path)  # it may be anybody's file
        return fingerprint_parquet(path, ordered=self.ordered)

    def scan(self, paths: Sequence[Path], origin: str | None) -> pl.LazyFrame:
        """One scan of all files: columns by name, narrower numbers widened to the schema's."""
        return self._scan(list(paths), origin)

    def _scan(self, source: bytes | Path | list[Path], origin: str | None) -> pl.LazyFrame:
        import polars as pl

        return pl.scan_parquet(
            source,
            hive_partitioning=False,
            glob=False,
            include_file_paths=origin,
            schema=dict(self.schema) if self.schema is not None else None,
            extra_columns="raise" if self.schema is None else "ignore",
            cast_options=pl.ScanCastOptions(integer_cast="upcast", float_cast="upcast"),
        )


@dataclass(frozen=True, slots=True)
class Csv:
    """Comma-separated text with a header, typed by the schema or else from the whole file.

    Columns that the schema doesn't name are left out; one that it names and the file lacks is an
    error. Without a schema, columns that look like dates and times throughout become such.
    """

    schema: Schema | None = None

    name = "csv"
    extension = "csv"

    def read(self, path: Path) -> pl.DataFrame:
        """The frame in the file."""
        import polars as pl

        with reading(path):
            if self.schema is not None:
                # All columns are read and then ours taken: what isn't read isn't checked.
                types: dict[str, Any] = {
                    **self.schema,
                    **dict.fromkeys(self._extras(path), pl.String),
                }
                return pl.read_csv(path, schema=types, glob=False).select(self.schema.keys())
            frame = pl.read_csv(path, infer_schema_length=None, glob=False)
            if not any(_may_be_time(column) for column in frame.iter_columns()):
                return frame  # looking for times takes polars five times as long as all the rest
            return pl.read_csv(path, infer_schema_length=None, try_parse_dates=True, glob=False)

    def fingerprint(self, path: Path) -> str:
        """The fingerprint of the values as read: quoting, line ends and order don't count."""
        return fingerprint_frame(self.read(path))

    def scan(self, paths: Sequence[Path], origin: str | None) -> pl.LazyFrame:
        """Lazy with a schema; without one all files are read, since only values tell the types."""
        import polars as pl

        if self.schema is None:
            return _read_alike(self, paths, origin).lazy()
        # polars can ignore columns that a schema lacks, but then it also cuts lines that are too
        # long without a word: so it is told of all columns, and ours are taken of those.
        kept = [*self.schema, *([origin] if origin else [])]
        extras = {path: self._extras(path) for path in paths}
        groups = [list(paths)] if len(set(extras.values())) == 1 else [[each] for each in paths]
        scans = [
            pl.scan_csv(
                group,
                schema={**self.schema, **dict.fromkeys(extras[group[0]], pl.String)},
                glob=False,
                include_file_paths=origin,
            )
            for group in groups
        ]
        return pl.concat([each.select(kept) for each in scans])

    def columns(self, path: Path) -> list[str]:
        """The names in the file's header; its rows are not read."""
        import polars as pl

        with reading(path):
            return pl.read_csv(path, n_rows=0, infer_schema=False, glob=False).columns

    def _extras(self, path: Path) -> tuple[str, ...]:
        """The columns of a file that the schema doesn't name."""
        return tuple(name for name in self.columns(path) if name not in (self.schema or {}))


@dataclass(frozen=True, slots=True)
class Ndjson:
    """A JSON object a line, typed by the schema or else from the whole file.

    A field that a line lacks is null; fields that the schema doesn't name are left out. Dates are
    text unless the schema says otherwise, as JSON has none.
    """

    schema: Schema | None = None

    name = "ndjson"
    extension = "ndjson"

    def read(self, path: Path) -> pl.DataFrame:
        """The frame in the file."""
        import polars as pl

        with reading(path):
            # Bytes, because polars takes a path for a pattern here, and one with `[` finds nothing.
            source = path.read_bytes()
            schema = dict(self.schema) if self.schema is not None else None
            return pl.read_ndjson(source, schema=schema, infer_schema_length=None)

    def columns(self, path: Path) -> list[str]:
        """The names of all fields of the file, which any of its lines may have."""
        return self.read(path).columns

    def fingerprint(self, path: Path) -> str:
        """The fingerprint of the values as read: spacing and the order of lines don't count."""
        return fingerprint_frame(self.read(path))

    def scan(self, paths: Sequence[Path], origin: str | None) -> pl.LazyFrame:
        """Lazy with a schema; without one all files are read, since only values tell the types."""
        import polars as pl

        if self.schema is None or any(_GLOB.intersection(str(path)) for path in paths):
            return _read_alike(self, paths, origin).lazy()
        return pl.scan_ndjson(list(paths), schema=dict(self.schema), include_file_paths=origin)


def format_named(
    name: str, schema: Schema | None = None, *, ordered: bool = False
) -> Parquet | Csv | Ndjson | Skops:
    """The format of that name; `KeyError` if there is none."""
    match name:
        case "parquet":
            return Parquet(ordered, schema)
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
    def trusted(self) -> tuple[str, ...]:
        """The types that a skops file may hold."""


def format_of(dataset: Declared) -> Parquet | Csv | Ndjson | Skops:
    """The format in which a dataset's files are kept, with what it declares."""
    if dataset.format == "skops":
        return Skops(dataset.trusted)
    return format_named(dataset.format, dataset.schema, ordered=bool(dataset.sort_by))


@functools.lru_cache(maxsize=4096)
def way_of(dataset: Declared) -> Hashable:
    """All that decides what reading one of a dataset's files gives.

    Two datasets with the same way read the same from one file: see `HandOver`.
    """
    form = format_of(dataset)
    return (form.name, *(_hashable(getattr(form, each.name)) for each in fields(form)))


def _hashable(value: Hashable) -> Hashable:
    return tuple(value.items()) if isinstance(value, Mapping) else value


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


def _may_be_time(column: pl.Series) -> bool:
    import polars as pl

    if column.dtype != pl.String:
        return False
    first = column.first(ignore_nulls=True)
    return isinstance(first, str) and _TIME.match(first) is not None


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
        if origin is not None:
            part = part.with_columns(pl.lit(str(path)).alias(origin))
        parts.append(part)
    return pl.concat(parts)
