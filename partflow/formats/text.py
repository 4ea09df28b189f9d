"""CSV and NDJSON: files of text that others write, typed by a schema or by their values.

Knows nothing of datasets or partitions: a path comes in, a frame comes out. Only sources have these
formats, so nothing here writes.
"""

from __future__ import annotations

import functools
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from partflow.errors import ReadError
from partflow.formats.bridging import require_column
from partflow.formats.csvtext import lines_before, opened
from partflow.formats.fingerprint import fingerprint_frame, type_text
from partflow.formats.fitting import Misfit, parsed
from partflow.formats.format import VIEW, Contents
from partflow.formats.jsonkeys import require_keys_once
from partflow.formats.jsonlines import (
    has_long_decimals,
    may_have_lost_digits,
    naming_lines,
    require_lines,
)
from partflow.formats.jsontext import as_read, fields_in, require_utf8
from partflow.formats.packed import beginning_unpacked, opened_unpacked, unpacked, unpacked_or_path
from partflow.formats.schemas import after_lines, instances, schema_text, unshown
from partflow.formats.texttypes import RULES, typed
from partflow.formats.unreadable import REPLACE, reading
from partflow.store.opening import at_once

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import polars as pl

    Schema = Mapping[str, pl.DataType]

_TEXT_AT_ONCE = 64 * 2**20
"""Files of up to this many bytes together are read at once, even for a lazy frame."""

_GLOB = frozenset("*?[")
_HEAD = 2**16
_ZEROS = bytes(64)


@dataclass(frozen=True, slots=True)
class _Text(ABC):
    """What both formats of text share: they have no footer, so all is told by reading the file.

    `ordered` says that the order of rows counts in the fingerprint. Each method raises ReadError
    for a file that cannot be read, or does not fit the schema.
    """

    schema: Schema | None = None
    at_once: int = _TEXT_AT_ONCE
    ordered: bool = False

    rules = RULES

    @abstractmethod
    def read(self, path: Path) -> pl.DataFrame:
        """The frame in the file."""

    @abstractmethod
    def held(self, path: Path, frame: pl.DataFrame) -> Schema:
        """All columns of a file for which `read` gave the frame; those left out are text."""

    def fingerprint(self, path: Path) -> str:
        """The fingerprint of the values as read: spacing and quoting do not count."""
        return fingerprint_frame(self.read(path), ordered=self.ordered)

    def contents(self, path: Path, *, is_small: bool) -> Contents:  # noqa: ARG002
        """All that the record holds of a file, with its frame."""
        frame = self.read(path)
        held = schema_text(self.held(path, frame))
        content = fingerprint_frame(frame, ordered=self.ordered)
        return Contents(content, frame.height, held, frame)

    def schema_text(self, path: Path) -> str:
        """The text of the file's schema as it is read; the whole file is read for it."""
        return schema_text(self.held(path, self.read(path)))

    def rows(self, path: Path) -> int:
        """How many rows the file has."""
        return self.read(path).height

    def require_likely(self, path: Path) -> None:
        """Raise ReadError for a file that was not written to its end."""
        require_text(path)

    def require_together(self, paths: Sequence[Path]) -> None:
        """Raise ReadError for the first file that cannot be read, or whose columns differ."""
        require_alike({path: self.read(path).schema for path in paths})

    def beside(self, column: str) -> Self:  # noqa: ARG002
        """This format: any file of text may hold the partition column."""
        return self


@dataclass(frozen=True, slots=True)
class Csv(_Text):
    """Comma-separated text with a header, typed by the schema or else by the values of the file.

    Columns that the schema does not name are left out. ReadError if a file lacks a column of the
    schema, or if a line has too few or too many fields. Blank lines are no rows.
    """

    name = "csv"

    def read(self, path: Path) -> pl.DataFrame:
        """The frame in the file."""
        with reading(path):
            file = opened(path)
            if self.schema is None:
                return file.rows(typed)
            return file.rows(functools.partial(_fitted, path, schema=self.schema))

    def scan(self, paths: Sequence[Path], origin: str | None) -> pl.LazyFrame:
        """The rows that `read` gives for the files, one after the other.

        Large files with a schema are read in batches when the frame is collected. Other files are
        read at once; without a schema they have to be, since only the values tell the types.
        """
        if self.schema is None or _nbytes(paths) <= self.at_once:
            return _read_alike(self, paths, origin).lazy()
        return _pieces(self, paths, origin, self.schema)

    def pieces(self, path: Path) -> Iterator[pl.DataFrame]:
        """The rows that `read` gives, in batches."""
        assert self.schema is not None
        try:
            with reading(path):
                for rows in opened(path).batches():
                    yield _fitted(path, rows, self.schema)
        except ReadError:
            self.read(path)  # If several things are wrong, it raises the same one as ever.
            raise

    def contents(self, path: Path, *, is_small: bool) -> Contents:
        """All that the record holds of a file, with its frame, and whether SQL can show it."""
        contents = super(Csv, self).contents(path, is_small=is_small)
        return replace(contents, schema=self._with_lines(path, contents.schema or ""))

    def schema_text(self, path: Path) -> str:
        """The text of the file's schema as it is read, and what SQL has to know of its lines."""
        return self._with_lines(path, super(Csv, self).schema_text(path))

    def _with_lines(self, path: Path, text: str) -> str:
        with reading(path):
            text = after_lines(text, lines_before(path))
            return unshown(text) if opened(path).has_lines_of_spaces() else text

    def memory(self, path: Path) -> int:
        """The bytes of the file, and what polars takes beside for each field."""
        with opened_unpacked(path) as file:
            blocks = ((len(b), b.count(b"\n")) for b in iter(lambda: file.read(2**20), b""))
            nbytes, lines = map(sum, zip((0, 0), *blocks, strict=True))
        return nbytes + VIEW * lines * len(self.columns(path))

    def columns(self, path: Path) -> list[str]:
        """The names in the file's header; its rows are not read."""
        with reading(path):
            return list(opened(path).names)

    def held(self, path: Path, frame: pl.DataFrame) -> Schema:
        """All columns of a file for which `read` gave the frame; those left out are text."""
        return frame.schema if self.schema is None else _with(frame, self.columns(path))


@dataclass(frozen=True, slots=True)
class Ndjson(_Text):
    """One JSON object on each line, typed by the schema or else by the values of the file.

    A field that a line lacks is null; fields that the schema does not name are left out. Dates stay
    text unless the schema says otherwise, because JSON has no dates.
    """

    name = "ndjson"

    def read(self, path: Path) -> pl.DataFrame:
        """The frame in the file."""
        import polars as pl

        with reading(path), naming_lines(path, self.schema):
            # Bytes, because polars takes a path for a pattern here, and one with `[` finds nothing.
            source = unpacked(path)
            require_utf8(path, source)
            if self.schema is None:
                frame = pl.read_ndjson(source, infer_schema_length=None)
                if may_have_lost_digits(frame):
                    require_lines(path, frame.schema)
                return frame
            frame = pl.read_ndjson(source, schema=as_read(self.schema))
            if may_have_lost_digits(frame) or has_long_decimals(path, self.schema):
                require_lines(path, self.schema)
            return _fitted(path, frame, self.schema)

    def contents(self, path: Path, *, is_small: bool) -> Contents:
        """All that the record holds of a file, with its frame; no line may have a key twice."""
        contents = super(Ndjson, self).contents(path, is_small=is_small)
        if contents.frame is not None:
            require_keys_once(path, contents.frame.schema)
        return contents

    def memory(self, path: Path) -> int:
        """Twice the bytes of the file, as each line names its fields."""
        source = unpacked_or_path(path)
        return 2 * (len(source) if isinstance(source, bytes) else source.stat().st_size)

    def columns(self, path: Path) -> list[str]:
        """The names of all fields that any line of the file has."""
        return self.read(path).columns

    def held(self, path: Path, frame: pl.DataFrame) -> Schema:
        """All columns of a file for which `read` gave the frame.

        Fields that the schema leaves out are looked for in the first lines only; they are text.
        """
        if self.schema is None:
            return frame.schema
        with reading(path):
            return _with(frame, fields_in(beginning_unpacked(path)))

    def scan(self, paths: Sequence[Path], origin: str | None) -> pl.LazyFrame:
        """The rows that `read` gives for the files, one after the other.

        Large files with a schema are read in batches when the frame is collected. Other files are
        read at once; without a schema they have to be, since only the values tell the types.
        """
        patterns = any(_GLOB.intersection(str(path)) for path in paths)
        if self.schema is None or patterns or _nbytes(paths) <= self.at_once:
            return _read_alike(self, paths, origin).lazy()
        return _pieces(self, paths, origin, self.schema)

    def pieces(self, path: Path) -> Iterator[pl.DataFrame]:
        """The rows that `read` gives, in batches."""
        import polars as pl

        assert self.schema is not None
        try:
            with reading(path), naming_lines(path, self.schema):
                require_utf8(path, beginning_unpacked(path))
                is_looked_at = has_long_decimals(path, self.schema)
                if is_looked_at:
                    require_lines(path, self.schema)
                source = unpacked_or_path(path)
                for rows in pl.scan_ndjson(source, schema=as_read(self.schema)).collect_batches():
                    if not is_looked_at and may_have_lost_digits(rows):
                        require_lines(path, self.schema)
                        is_looked_at = True
                    yield _fitted(path, rows, self.schema)
        except ReadError:
            self.read(path)  # If several things are wrong, it raises the same one as ever.
            raise


def require_text(path: Path) -> None:
    """Raise ReadError if a few of its bytes show that a file cannot be text.

    OSError if it cannot be opened.
    """
    with open(path, "rb", opener=at_once) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        at = _unwritten(file.fileno(), file.read(_HEAD), size)
        if at is not None:
            problem = f"from its byte {at:,} on there is nothing where text should be"
            raise ReadError(str(path), f"cannot be read: {problem}", REPLACE)


def require_alike(schemas: Mapping[Path, Schema]) -> None:
    """Raise ReadError for the first file whose columns or types differ from the first file's."""
    (first, wanted), *others = schemas.items()
    for path, schema in others:
        for name in [*wanted, *schema]:
            first_type, type_here = wanted.get(name), schema.get(name)
            texts = [
                type_text(each) if each is not None else "missing"
                for each in (first_type, type_here)
            ]
            if texts[0] != texts[1]:
                problem = f"column {name!r} is {texts[1]}, and in {first} it is {texts[0]}"
                raise ReadError(str(path), problem, "declare a schema for files that vary")


def _unwritten(descriptor: int, head: bytes, size: int) -> int | None:
    """The offset of the first zero bytes in a file's head, or of its first hole; None if none."""
    zero = head.find(_ZEROS)
    if zero >= 0:
        return zero
    if size <= _HEAD or not hasattr(os, "SEEK_HOLE"):
        return None
    try:
        hole = os.lseek(descriptor, 0, os.SEEK_HOLE)
    except OSError:  # The file system does not tell.
        return None
    return hole if hole < size else None


def _fitted(path: Path, frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    """The columns of a schema from a frame of text, each as its declared type; else ReadError."""
    columns = []
    for name, kind in instances(schema).items():
        require_column(path, name, frame.columns)
        values = parsed(frame[name], kind) if frame[name].dtype != kind else frame[name]
        if isinstance(values, Misfit):
            raise ReadError(str(path), f"column {name!r}: {values.problem}", values.advice)
        columns.append(values)
    return frame.select(columns)


def _with(frame: pl.DataFrame, names: Iterable[str]) -> Schema:
    import polars as pl

    return {**frame.schema, **{n: pl.String() for n in names if n not in frame.schema}}


def _nbytes(paths: Sequence[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def _pieces(
    form: Csv | Ndjson, paths: Sequence[Path], origin: str | None, schema: Schema
) -> pl.LazyFrame:
    """The rows of files as a lazy frame that reads them in batches."""
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
    """The frame with a column `origin` that holds the file's path; unchanged if that is None."""
    import polars as pl

    return frame if origin is None else frame.with_columns(pl.lit(str(path)).alias(origin))


def _read_alike(form: Csv | Ndjson, paths: Sequence[Path], origin: str | None) -> pl.DataFrame:
    """The rows of files whose types must agree; files without rows are not compared.

    ReadError if the types differ.
    """
    import polars as pl

    frames = {path: form.read(path) for path in paths}
    with_rows = {path: frame for path, frame in frames.items() if frame.height} or frames
    schemas = {path: frame.schema for path, frame in with_rows.items()}
    require_alike(schemas)
    schema = next(iter(schemas.values()))
    parts = []
    for path, frame in frames.items():
        # Columns and not their names, of which polars takes `*` and `^...$` for patterns.
        columns = [frame[name] for name in schema] if frame.height else []
        part = pl.DataFrame(columns) if columns else pl.DataFrame(schema=schema)
        parts.append(_marked(part, path, origin))
    return pl.concat(parts)
