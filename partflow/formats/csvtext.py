"""CSV files as text: every field of every line as it was delivered, or why the file is wrong.

Knows nothing of types. Like other readers of CSV, polars fills lines that are too short with nulls;
this module refuses such lines. (Lines that are too long polars refuses itself.) A short line is
recognized by its end: it has fewer commas there than the nulls that polars read from it. Where
values contain line ends that does not work: then the commas outside of values are counted, and all
lines are whole if and only if there are as many as all rows need.
"""

from __future__ import annotations

import csv
import io
import mmap
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from partflow.errors import ReadError
from partflow.formats.packed import MARKS, beginning_of, unpacked_or_path
from partflow.formats.unreadable import unreadable
from partflow.store.opening import at_once

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

_AT_ONCE = 2**20
_FIELD = 2**31 - 1
_BLANK = re.compile(rb"\n(?:[ \t]*\r?\n|[ \t]+\r?\Z)")
_SPACES = re.compile(rb"\n[ \t]+\r?(?:\n|\Z)")
_BARE_CR = re.compile(rb"\r(?!\r*\n)")
_CR_ALONE = "has lines that end in CR alone, as of old Macs"
_BEGINNING = 2**16
_MENDED = (
    "have it delivered again; a task that is to read such files as they are takes `list[Path]`"
)
_ENDED = _MENDED.replace("again", r"with line ends (\n)")
_CUT = "it may be cut off"
_LONG = "a value with a comma in it must stand in quotation marks"
_OTHERS = {";": "';'", "\t": "a tab", "|": "'|'"}
_UTF8_MARK = b"\xef\xbb\xbf"
_FEW = 4
_MARKS = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A CSV file and the names in its header, which are unique.

    `source` is the file's path; or its bytes if it is small, or those that were unpacked.
    """

    path: Path
    names: tuple[str, ...]
    source: Path | bytes

    def rows(self, typed: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
        """All lines that are not blank, as `typed` converts them.

        `typed` is given a frame of text, in which empty fields are null.

        Raises:
            ReadError: a line has too few or too many fields, or repeats the header.
        """
        import polars as pl

        self._require_written()
        fields = self._fields()
        if self._has_spaces_alone(fields):
            blank = self.blank(fields, self.names)
            return typed(fields if blank is None else fields.filter(~blank))
        try:
            frame = typed(fields)
        except ReadError:
            self.blank(fields, self.names)  # A line that is cut off may be the reason.
            raise
        # A value that became a number or a time has no comma in it: only texts are searched.
        texts = (pl.String, pl.Categorical, pl.Enum)
        others = {name for name, kind in frame.schema.items() if not isinstance(kind, texts)}
        blank = self.blank(fields, [name for name in self.names if name not in others])
        return frame if blank is None else frame.filter(~blank)

    def _require_written(self) -> None:
        """Raise ReadError for zero bytes, which readers take for text.

        They are there if a file was given its full length first, and then not written to the end.
        """
        with self._bytes() as data:
            at = data.find(b"\0")
        if at >= 0:
            problem = f"has zero bytes where text should be, from its byte {at:,} on"
            raise ReadError(str(self.path), problem, _MENDED)

    def _fields(self) -> pl.DataFrame:
        import polars as pl

        with self._naming_lines():
            frame = pl.read_csv(self.source, schema=self._texts(), glob=False)
        self._require_one_header(frame)
        self._require_end(frame)
        return frame

    def _require_end(self, fields: pl.DataFrame) -> None:
        """Raise ReadError for one empty field too many at the end of a file without a line end.

        polars refuses it everywhere else. `fields` are rows up to the last.
        """
        if fields.height and fields[self.names[-1]][-1] is not None:
            with self._bytes() as data:
                is_open = data[-1:] == b","
            if is_open:
                self._blank_lines()

    def _has_spaces_alone(self, fields: pl.DataFrame) -> bool:
        """Whether some line may consist of spaces, which are then its only field."""
        first, *rest = fields.iter_columns()
        if not rest or not rest[-1].null_count():
            return False
        spaces = first.filter(rest[-1].is_null()).str.strip_chars(" \t") == ""
        return bool(spaces.any())

    def blank(self, fields: pl.DataFrame, texts: Sequence[str]) -> pl.Series | None:
        """A mask of the rows that come from blank lines; None if there are none.

        `texts` are the columns whose values may contain commas. ReadError for a line that is too
        short and not blank.
        """
        import polars as pl

        if not fields[self.names[-1]].null_count():
            return None
        if fields.width == 1:
            return fields.to_series().is_null()
        missing = self._missing_at_ends(fields.height, _nulls_at_ends(fields))
        if missing is None:
            values = (
                _commas(pl.DataFrame([fields[name] for name in texts])) if self._has(b'"') else 0
            )
            missing = self._commas_missing(fields.height, values)
        if not missing:
            return None
        return pl.Series(self._blank_lines(fields.height), dtype=pl.Boolean)

    def has_lines_of_spaces(self) -> bool:
        """Whether a line between or after others consists of spaces; of one column it is a value.

        Requires: the file was read, so no line is too short but for these.
        """
        with self._bytes() as data:
            may_have = len(self.names) > 1 and _SPACES.search(data) is not None
        if not may_have:
            return False
        fields = self._fields()
        blank = self.blank(fields, self.names)  # the spaces may stand in quotation marks
        return blank is not None and bool((blank & fields.to_series(0).is_not_null()).any())

    def batches(self) -> Iterator[pl.DataFrame]:
        """The rows that `rows` would give as text, in batches.

        ReadError as for `rows`; it may come only after the last batch.
        """
        import polars as pl

        self._require_written()
        if self._may_have_blank_lines():
            yield self.rows(lambda fields: fields)
            return
        scan = pl.scan_csv(self.source, schema=self._texts(), glob=False)
        rows, nulls, end = 0, 0, pl.DataFrame(schema=self._texts())
        with self._naming_lines():
            for batch in scan.collect_batches():
                self._require_one_header(batch)
                rows, nulls = rows + batch.height, nulls + _nulls_at_ends(batch)
                end = batch.tail(1) if batch.height else end
                yield batch
        self._require_end(end)
        if nulls and self._missing_at_ends(rows, nulls) != 0:
            self._blank_lines(rows)

    def _may_have_blank_lines(self) -> bool:
        if len(self.names) == 1:
            return True
        with self._bytes() as data:
            return _BLANK.search(data) is not None

    def _texts(self) -> dict[str, pl.DataType]:
        import polars as pl

        return dict.fromkeys(self.names, pl.String())

    def _missing_at_ends(self, rows: int, nulls: int) -> int | None:
        """How many commas the lines lack at their ends, given the number of nulls there.

        None if that cannot be told, because a value or a name contains a line end, or the last name
        is empty.
        """
        import numpy as np

        path = self.source
        data = (
            np.frombuffer(path, np.uint8)
            if isinstance(path, bytes)
            else np.memmap(path, np.uint8, "r")
        )
        parts = range(0, len(data), _AT_ONCE)
        ends = [np.flatnonzero(data[i : i + _AT_ONCE] == ord("\n")) + i for i in parts]
        if data[-1] != ord("\n"):
            ends.append(np.array([len(data)]))
        last = np.concatenate(ends)[1:] - 1  # The header's is left out.
        if len(last) != rows or not self.names[-1]:
            return None
        last -= data[last] == ord("\r")
        while len(last := last[data[last] == ord(",")]):
            nulls -= len(last)
            last = last - 1
        return nulls

    def _commas_missing(self, rows: int, in_values: int) -> int:
        """How many commas are missing for so many rows, of whose values so many have commas."""
        in_names = sum(name.count(",") for name in self.names)
        needed = (len(self.names) - 1) * (rows + 1)
        return needed + in_values + in_names - self._count(b",")

    def _blank_lines(self, rows: int | None = None) -> list[bool]:
        """For each line after the header whether it is blank.

        ReadError for the first line with a wrong number of fields; and, if `rows` is given, for
        another number of lines.
        """
        is_blank = []
        csv.field_size_limit(max(_FIELD, csv.field_size_limit()))
        try:
            with self._text() as text:
                lines = csv.reader(text)
                next(fields for fields in lines if any(fields))  # the header
                for fields in lines:
                    odd = len(fields) != len(self.names)
                    if odd and (len(fields) > 1 or "".join(fields).strip(" \t")):
                        raise self._odd(lines.line_num, len(fields))
                    is_blank.append(odd)
        except csv.Error as error:
            raise unreadable(self.path, error) from error
        if rows not in (None, len(is_blank)):
            problem = "has quotation marks that begin no field or end none"
            raise ReadError(str(self.path), problem, _MENDED)
        return is_blank

    def _odd(self, line: int, fields: int) -> ReadError:
        has = f"line {line:,} has {fields} fields, and the header {len(self.names)}"
        why = _CUT if fields < len(self.names) else _LONG
        return ReadError(str(self.path), f"{has}: {why}", _MENDED)

    @contextmanager
    def _naming_lines(self) -> Iterator[None]:
        """Turn what polars raises into a ReadError, which names the line if a line is at fault."""
        import polars as pl

        try:
            yield
        except pl.exceptions.PolarsError as error:
            with suppress(UnicodeDecodeError):
                self._blank_lines()
                self._require_pairs()
            raise unreadable(self.path, error) from error

    def _require_pairs(self) -> None:
        """Raise ReadError for a quotation mark that is not closed, or in a wrong place.

        Also for a line that ends in CR alone, which polars reads as part of a value.
        """
        with self._text() as text:
            raw: list[str] = []
            line, lines = 1, csv.reader(_noted(text, raw), strict=True)
            try:
                for fields in lines:
                    self._require_outer_marks(line, fields, "".join(raw))
                    line = lines.line_num + 1
                    raw.clear()
            except csv.Error as error:
                problem = "has quotation marks that begin no field or end none"
                if "end of data" in str(error):
                    problem = f"line {line:,} has a quotation mark that nothing closes"
                raise ReadError(str(self.path), problem, _MENDED) from error
        with self._bytes() as data:
            if _BARE_CR.search(data):
                raise ReadError(str(self.path), _CR_ALONE, _ENDED)

    def _require_outer_marks(self, line: int, fields: Sequence[str], raw: str) -> None:
        """Raise ReadError for a quotation mark inside a field that does not begin with one."""
        for field in fields:
            if '"' in field and '"{}"'.format(field.replace('"', '""')) not in raw:
                problem = f"line {line:,} has a quotation mark within a field that begins with none"
                advice = 'have it delivered with such a field in quotation marks, and "" for each'
                raise ReadError(str(self.path), problem, f"{advice} in it")
        if line == 1 and '"' in "".join(fields):
            problem = "has a quotation mark in a column's name, which is not read"
            raise ReadError(str(self.path), problem, _MENDED)

    def _require_one_header(self, frame: pl.DataFrame) -> None:
        first, *rest = self.names
        repeats = frame.filter(frame[first] == first)
        for name in rest:
            if not repeats.height:
                return
            repeats = repeats.filter(repeats[name] == name)
        if repeats.height:
            raise ReadError(str(self.path), "has its header twice", _MENDED)

    def _has(self, part: bytes) -> bool:
        with self._bytes() as data:
            return data.find(part) >= 0

    def _count(self, byte: bytes) -> int:
        import numpy as np

        with self._bytes() as data:
            parts = range(0, len(data), _AT_ONCE)
            matches = (np.frombuffer(data[i : i + _AT_ONCE], np.uint8) == byte[0] for i in parts)
            return sum(int(np.count_nonzero(each)) for each in matches)

    @contextmanager
    def _bytes(self) -> Iterator[bytes | mmap.mmap]:
        if isinstance(self.source, bytes):
            yield self.source
            return
        with (
            open(self.source, "rb", opener=at_once) as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
        ):
            yield mapped

    @contextmanager
    def _text(self) -> Iterator[io.TextIOBase]:
        if isinstance(self.source, bytes):
            yield io.StringIO(self.source.decode("utf-8-sig"), newline="")
            return
        with open(self.source, encoding="utf-8-sig", newline="", opener=at_once) as file:
            yield file


def _noted(lines: Iterable[str], raw: list[str]) -> Iterator[str]:
    """The lines; each is also appended to `raw` as it is taken."""
    for line in lines:
        raw.append(line)
        yield line


def opened(path: Path) -> CsvFile:
    """The CSV file at that path; one that is compressed with gzip or zstd is unpacked.

    Raises:
        ReadError: it has no header, or a name in it twice; has another separator; or is not UTF-8.
        OSError: it cannot be opened.
    """
    source = unpacked_or_path(path)
    beginning = _first_lines(source)
    if beginning.startswith(_MARKS) or b"\0" in beginning:
        problem = "is no UTF-8 text, but UTF-16 or something else that holds zeros"
        raise ReadError(str(path), problem, "have it delivered as UTF-8")
    names = _header(path, beginning)
    for other, shown in _OTHERS.items():
        if sum(name.count(other) for name in names) > len(names) - 1:
            problem = f"has no commas between its columns, but {shown}, as it seems"
            raise ReadError(str(path), problem, _MENDED.replace("again", "with commas"))
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ReadError(str(path), f"has column {twice[0]!r} twice in its header", _MENDED)
    return CsvFile(path, names, source)


def lines_before(path: Path) -> int:
    """How many blank lines DuckDB sees before the header of the CSV file at that path.

    If the first of them ends in LF alone, DuckDB takes every CR for the end of a line, too.

    Raises:
        ReadError: it cannot be unpacked.
        OSError: it cannot be opened.
    """
    beginning = beginning_of(path, _FEW)
    if not beginning.startswith((b"\r", b"\n", _UTF8_MARK, *MARKS)):
        return 0
    beginning = _first_lines(unpacked_or_path(path)).removeprefix(_UTF8_MARK)
    ends = beginning[: len(beginning) - len(beginning.lstrip(b"\r\n"))]
    return ends.count(b"\n") if ends.startswith(b"\r") else len(ends)


def _first_lines(source: Path | bytes) -> bytes:
    """The first bytes of a file, enough to contain its header."""
    size = _BEGINNING
    while True:
        beginning = source[:size] if isinstance(source, bytes) else beginning_of(source, size)
        if len(beginning) < size or b"\n" in beginning.lstrip():
            return beginning
        size *= 16


def _header(path: Path, beginning: bytes) -> tuple[str, ...]:
    """The names in the first line that is not blank."""
    if not beginning.strip():
        raise ReadError(str(path), "is empty, without even a header", _MENDED)
    try:
        text = beginning.decode("utf-8-sig", "strict" if len(beginning) < _BEGINNING else "ignore")
        lines = csv.reader(io.StringIO(text, newline=""))
        names = next((fields for fields in lines if any(fields) or len(fields) > 1), [])
        if not any(names):
            raise ReadError(str(path), "has a first line of commas, and no names in it", _MENDED)
        if b"\n" not in beginning.lstrip() and any(any(fields) for fields in lines):
            raise ReadError(str(path), _CR_ALONE, _ENDED)
    except UnicodeDecodeError as error:
        raise _not_utf8(path) from error
    except csv.Error as error:
        raise unreadable(path, error) from error
    return tuple(names)


def _not_utf8(path: Path) -> ReadError:
    return ReadError(str(path), "is no UTF-8 text", "have it delivered as UTF-8")


def _nulls_at_ends(frame: pl.DataFrame) -> int:
    """How many nulls all rows have after their last value; first fields do not count."""
    import polars as pl

    nulls, still = 0, pl.repeat(value=True, n=frame.height, eager=True)
    for column in frame.get_columns()[:0:-1]:
        still &= column.is_null()
        if not (number := int(still.sum())):
            break
        nulls += number
    return nulls


def _commas(frame: pl.DataFrame) -> int:
    """How many commas all values contain together."""
    import polars as pl

    if not frame.width:
        return 0
    counts = frame.select(pl.all().str.count_matches(",", literal=True).sum())
    return sum(int(n) for n in counts.row(0))
