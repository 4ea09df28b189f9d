"""Parquet: how a frame is written, read and checked, and what a file tells without its rows.

Knows nothing of datasets or partitions: a path comes in, a value or a file comes out. A file may be
anybody's: readers make room for all rows that a footer declares, and a footer that lies would end
the process. So where it declares far too many for the file, they are counted first, in pieces.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from partflow.errors import ReadError
from partflow.formats.bridging import bridged_scan, fitted, require_column
from partflow.formats.fingerprint import (
    bytes_or_path,
    file_digest,
    fingerprint_frame,
    fingerprint_frames,
    fingerprint_parquet,
    type_text,
)
from partflow.formats.format import VIEW, Contents
from partflow.formats.notnumbers import WITHOUT_RANGES, may_hold_nan, statistics_of
from partflow.formats.schemas import column_named, instances, schema_text, unshown
from partflow.formats.unreadable import REPLACE, reading, unreadable
from partflow.formats.widening import common_schema, is_as, widened
from partflow.store.opening import at_once
from partflow.store.replacing import replaced

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import polars as pl

    Schema = Mapping[str, pl.DataType]

_AT_ONCE = 256 * 2**20
"""A frame of up to this many bytes is encoded in memory, and its file written in one go."""

_HARMLESS = 2**24
"""The number of cells for which a reader may safely make room, even if they are not there."""
_DENSE = 8
"""Cells per byte of the file; only columns that hardly change pack more."""
_ROWS_AT_ONCE = 2**16
_TOGETHER = 64 * 2**20
"""Files whose frames take up to this many bytes of memory are read in one query."""
_MARK = b"PAR1"

_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "FIXED_LEN_BYTE_ARRAY": 16}


@dataclass(frozen=True, slots=True)
class Parquet:
    """Parquet through polars, compressed with zstd; metadata is in the footer.

    `own` says that tasks wrote the files: a column of the schema that an older file lacks is null.
    Files of others are read as the schema says, if that changes no value. `column` is the partition
    column: all files of one read must have it, or none. `ordered` says that the order of rows
    counts in the fingerprint. What reads a file raises ReadError if the file is damaged or gone, or
    does not fit the schema.
    """

    ordered: bool = False
    schema: Schema | None = None
    own: bool = False
    column: str | None = None

    name = "parquet"
    rules = 0

    def stage(self, frame: pl.DataFrame, path: Path, metadata: Mapping[str, str]) -> None:
        """Write a frame."""
        kept = statistics_of(frame)
        frame.write_parquet(path, compression="zstd", metadata=dict(metadata), statistics=kept)

    def stream(
        self,
        frame: pl.LazyFrame,
        path: Path,
        metadata: Mapping[str, str],
        each: Callable[[pl.DataFrame], None] = lambda _: None,
    ) -> None:
        """Write a lazy frame as it is computed; `each` is called with every batch, in any order.

        If any of them may hold NaN, the file is written a second time, without the statistics that
        would hide it from readers.
        """
        has_nan: list[bool] = []

        def passed(batch: pl.DataFrame) -> pl.DataFrame:
            each(batch)
            if not has_nan and may_hold_nan(batch):
                has_nan.append(True)
            return batch

        types = frame.collect_schema()
        streamed = frame.map_batches(passed, schema=types, streamable=True)
        streamed.sink_parquet(path, compression="zstd", metadata=dict(metadata))
        if has_nan:
            written = _scanned(path, None, None)
            with replaced(path) as second:
                written.sink_parquet(
                    second, compression="zstd", metadata=dict(metadata), statistics=WITHOUT_RANGES
                )

    def write(
        self,
        frame: pl.DataFrame,
        path: Path,
        metadata: Mapping[str, str],
        encoded: bytes | None = None,
    ) -> str:
        """Write a frame; returns the SHA-256, in hex, of the bytes that the file should have.

        `encoded` are the bytes that `encode` gave for this frame and metadata, if it was called.
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

        All are made in one query, which wakes polars' threads only once: for many small frames that
        takes two thirds of the time of a query each.
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
            return fitted(path, scan.select(map(column_named, wanted)).collect(), wanted)

    def columns(self, path: Path) -> list[str]:
        """The names of the file's columns; its rows are not read."""
        return list(self.types(path))

    def types(self, path: Path) -> Schema:
        """The columns of the file and their types; its rows are not read."""
        import polars as pl

        with reading(path):
            return pl.read_parquet_schema(path)

    def require_schema(self, path: Path) -> None:
        """Raise ReadError if there is a schema, and the file's columns cannot be read as it says.

        Columns of other types than the schema's are read to the end, to try every value.
        """
        if self.schema is None:
            return
        with reading(path):
            held, wanted = self.types(path), instances(self.schema)
            for name in wanted:
                require_column(path, name, list(held))
            others = {n: k for n, k in wanted.items() if type_text(held[n]) != type_text(k)}
            if others:
                fitted(
                    path,
                    _scanned(path, None, None).select(map(column_named, others)).collect(),
                    others,
                )

    def fingerprint(self, path: Path) -> str:
        """The fingerprint of the values, whoever wrote the file."""
        rows_in(path)  # It may be anybody's file: refuse one that would need too much memory.
        return fingerprint_parquet(path, ordered=self.ordered)

    def contents(self, path: Path, *, is_small: bool) -> Contents:
        """What the record holds of a file; with its frame if it `is_small`, and a source's.

        With a schema no frame is given: reading gives the schema's columns, and the fingerprint is
        over the file's own.
        """
        rows = rows_in(path)
        if not self.own:
            self.require_schema(path)
        if self.own or self.schema is not None or not is_small:
            content = fingerprint_parquet(path, ordered=self.ordered)
            return Contents(content, rows, self.schema_text(path))
        frame = self.read(path)
        content = fingerprint_frame(frame, ordered=self.ordered)
        return Contents(content, rows, self._text(path, frame.schema), frame)

    def contents_together(self, paths: Sequence[Path]) -> list[Contents] | None:
        """What `contents` tells of each of a source's small files, all read in one query.

        That takes a third of the time. None if their frames would take much memory together.

        Raises:
            ReadError: one of them cannot be read; `contents` of each tells which.
        """
        import polars as pl

        footers = [footer_of(path) for path in paths]
        if sum(each.memory for each in footers) > _TOGETHER:
            return None
        for path in paths:
            self.require_schema(path)
        with reading(paths[0]):
            frames = pl.collect_all([_scanned(bytes_or_path(p), None, None) for p in paths])
        if self.ordered:
            contents = [fingerprint_frame(frame, ordered=True) for frame in frames]
        else:
            contents = fingerprint_frames(frames)
        return [
            Contents(
                content,
                footer.rows,
                self._text(path, frame.schema),
                frame if self.schema is None else None,
            )
            for path, footer, frame, content in zip(paths, footers, frames, contents, strict=True)
        ]

    def schema_text(self, path: Path) -> str:
        """The text of the file's schema; its rows are not read.

        It says whether SQL shows them: others store spans in seconds, of which polars makes
        milliseconds, and DuckDB sees the numbers alone.
        """
        return self._text(path, self.types(path))

    def _text(self, path: Path, schema: Schema) -> str:
        text = schema_text(schema)
        if self.own or '"Duration","ms"' not in text:
            return text
        import pyarrow.parquet as pq

        return unshown(text) if "duration[s]" in str(pq.read_schema(path)) else text

    def rows(self, path: Path) -> int:
        """How many rows the file has."""
        return rows_in(path)

    def require_likely(self, path: Path) -> None:
        """Raise ReadError for a file that does not begin and end as Parquet does."""
        require_parquet(path)

    def require_together(self, paths: Sequence[Path]) -> None:
        """Raise ReadError for the first file that cannot be read, alone or with the others."""
        for path in paths:
            self.read(path)
        self.scan(paths, None)

    def beside(self, column: str) -> Parquet:
        """This format, for files that may hold a partition column of that name."""
        return replace(self, column=column)

    def memory(self, path: Path) -> int:
        """About how many bytes of memory the file's frame takes, estimated from its footer.

        Texts count with their encoded size, in which one that is repeated may be held only once.
        ReadError if the footer cannot be read.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        with reading(path):
            try:
                footer = pq.read_metadata(pa.OSFile(str(path)))
            except pa.ArrowNotImplementedError:  # of a type that Arrow has not
                return int(self._scan([path], None).collect().estimated_size())
            except ValueError as error:  # pyarrow's other errors are ValueErrors
                raise OSError(str(error)) from error
        total = 0
        for g in range(footer.num_row_groups):
            group = footer.row_group(g)
            for c in range(group.num_columns):
                column = group.column(c)
                if column.physical_type == "BYTE_ARRAY":
                    total += VIEW * column.num_values + column.total_uncompressed_size
                else:
                    total += _WIDTHS.get(column.physical_type, 8) * column.num_values
        return total

    def scan(self, paths: Sequence[Path], origin: str | None) -> pl.LazyFrame:
        """The rows of all files, in their order, as columns of one schema.

        Files of one schema are read by one scan. Where the schemas differ and none is declared,
        numbers become as wide as needed, and a column that a file lacks is null. Files of others
        are read as their declared schema says. ReadError if the files do not fit together.
        """
        if self.schema is None and len(paths) == 1:
            return self._scan(list(paths), origin)
        held = {path: self.types(path) for path in paths}
        if self.schema is not None and not self.own:
            return bridged_scan(held, instances(self.schema), _scanned, origin)
        wanted = (
            common_schema(held, self.column, _has_rows)
            if self.schema is None
            else instances(self.schema)
        )
        if is_as(list(held.values()), wanted):
            return self._scan(list(paths), origin)
        return widened(held, wanted, lambda group: _scanned(group, None, origin), origin, _has_rows)

    def _scan(self, source: bytes | Path | list[Path], origin: str | None) -> pl.LazyFrame:
        return _scanned(source, self.schema, origin)


def _has_rows(path: Path) -> bool:
    return rows_in(path) > 0


def _scanned(
    source: bytes | Path | list[Path], schema: Schema | None, origin: str | None
) -> pl.LazyFrame:
    """One scan of Parquet; with a schema, columns that it does not name are left out."""
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


def footer(path: Path) -> dict[str, str]:
    """The metadata in a Parquet file's footer; ReadError if that cannot be read."""
    import polars as pl

    with reading(path):
        return dict(pl.read_parquet_metadata(path))


def require_parquet(path: Path) -> None:
    """Raise ReadError if a few of its bytes show that a file cannot be Parquet.

    It is called before the whole file is read: a download that set the file's size first, and then
    broke off, leaves gigabytes that were never written. OSError if the file cannot be opened.
    """
    with open(path, "rb", opener=at_once) as file:
        head = file.read(len(_MARK))
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(_MARK)))
        if not (head == _MARK and file.read() == _MARK):
            problem = "it does not begin and end as a Parquet file does"
            raise ReadError(str(path), f"cannot be read: {problem}", REPLACE)


@dataclass(frozen=True, slots=True)
class Footer:
    """What a footer says, and what the file was found to have: rows, and bytes of memory, about.

    A cell takes as much memory as a view of a text, and to all of them the pages that they are
    decoded from are added.
    """

    rows: int
    memory: int = 0


def rows_in(path: Path) -> int:
    """The number of rows in a Parquet file's footer; ReadError if the file has another number."""
    return footer_of(path).rows


def footer_of(path: Path) -> Footer:
    """What a Parquet file's footer says; ReadError if the file has another number of rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        source = bytes_or_path(path)
        opened = pa.BufferReader(source) if isinstance(source, bytes) else pa.OSFile(str(source))
        with opened as file:
            declared = pq.read_metadata(file)
            rows = int(declared.num_rows)
            groups = [declared.row_group(i) for i in range(declared.num_row_groups)]
            is_odd = rows != sum(group.num_rows for group in groups)
            cells = rows * max(1, declared.num_columns)
            if not is_odd and cells > max(_HARMLESS, _DENSE * file.size()):
                parts = pq.ParquetFile(file).iter_batches(_ROWS_AT_ONCE)
                is_odd = rows != sum(len(part) for part in parts)
    except pa.ArrowNotImplementedError:  # a type that polars has and Arrow has not: 128 bits
        return Footer(_rows_by_polars(path))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if is_odd:
        problem = f"says that it has {rows:,} rows, and has others"
        raise ReadError(str(path), problem, "replace the file, or make it again")
    return Footer(rows, VIEW * cells + sum(group.total_byte_size for group in groups))


def _rows_by_polars(path: Path) -> int:
    import polars as pl

    with reading(path):
        return int(_scanned(bytes_or_path(path), None, None).select(pl.len()).collect().item())


def validate(path: Path, columns: Sequence[str], rows: int) -> None:
    """Compare the footer of a Parquet file just written with the columns and rows it should have.

    Raises:
        ReadError: the footer cannot be read, or has others.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with reading(path):
        try:
            metadata = pq.read_metadata(pa.OSFile(str(path)))
        except ValueError as error:  # pyarrow's own errors are ValueErrors
            raise unreadable(path, error) from error
    names = metadata.schema.to_arrow_schema().names
    if metadata.num_rows != rows:
        problem = f"holds {metadata.num_rows:,} rows where {rows:,} were written"
    elif names != list(columns):
        problem = f"holds the columns {names} where {list(columns)} were written"
    else:
        return
    raise ReadError(str(path), problem, "the disk is not to be trusted; run it again")


def confirm(path: Path, frame: pl.DataFrame, sha256: str) -> None:
    """Compare the bytes of a file just written with those that were encoded in memory.

    Their schema is read back once for each schema that this process writes: the encoder writes the
    same one for the same columns, and to read it every time would double the cost.

    Raises:
        ReadError: the bytes are others, or are no Parquet of the frame's columns.
    """
    with reading(path):
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - for each partition
            data = file.readall()
        is_as_written = hashlib.sha256(data).hexdigest() == sha256
        shape = (tuple(frame.columns), tuple(frame.dtypes))
        if is_as_written and shape not in _confirmed:
            is_as_written = _columns_of(data) == frame.columns
            _confirmed.add(shape)
    if not is_as_written:
        problem = "does not hold what was written"
        raise ReadError(str(path), problem, "the disk is not to be trusted; run it again")


_confirmed: set[tuple[tuple[str, ...], tuple[pl.DataType, ...]]] = set()


def _columns_of(data: bytes) -> list[str]:
    import polars as pl

    return list(pl.read_parquet_schema(io.BytesIO(data)))
