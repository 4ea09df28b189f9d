"""What partflow asks of every format, and how it calls a format that a project brings.

Knows nothing of datasets, nor of any single format. Whatever a project's format raises over a file
becomes an error that names the file and the line in the project.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

from partflow.errors import ReadError
from partflow.formats.fingerprint import fingerprint_parts
from partflow.formats.unreadable import REPLACE, unreadable

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

VIEW = 16
"""The bytes that polars takes for each text, beside the text itself."""
_WAY = "brought1"


class Format(Protocol):
    """How one value is kept in one file: `Dataset("doc", DAYS, format=Documents())`.

    Write a class with these methods; it need not inherit from this one. Its text counts in the
    code of every task that reads or writes such files, as that of a function that the task calls,
    and so do the values that the object holds, such as the fields of a dataclass.

    An object is used for many files, by several threads and processes: a method must not change it.
    """

    @property
    def name(self) -> str:
        """What is recorded and shown: a lower-case letter, then letters, digits and _.

        None of parquet, skops, csv, ndjson, and of one class in a project. If it is json or file,
        no source of the project has partflow's format of that name.
        """

    @property
    def extension(self) -> str:
        """The ending of the files that tasks write, without the dot: a file is `data.EXTENSION`."""

    def write(self, value: Any, path: Path) -> None:
        """Write the value that a task returned, which is not None, to a file at `path`.

        There is no file at `path` yet, and its name does not end in the extension. Formats of
        sources need no such method. What it raises is the task's failure.
        """

    def read(self, path: Path) -> Any:
        """The value in the file, which is what parameters get. It must not change the file.

        A path need not end in the extension: new files are read back, and old ones in the history.
        What it raises means that the file cannot be read, and is shown with its line.
        """

    def fingerprint(self, path: Path) -> str:
        """A text for the value in the file: the same for the same value, else another one.

        Of the value and not of the bytes: a file that is written anew, or is formatted by hand,
        leaves its readers fresh if the text is the same. It may be long: partflow keeps its digest.
        What it raises means that the file cannot be read.
        """


@dataclass(frozen=True, slots=True)
class Contents:
    """What reading a file has told: its content fingerprint, rows and schema.

    For what is no table `rows` is 1 and `schema` is None. `frame` is given if reading made one.
    """

    content: str
    rows: int = 1
    schema: str | None = None
    frame: pl.DataFrame | None = None


class FileFormat(Protocol):
    """What partflow asks every format about a file; each method may raise ReadError."""

    @property
    def name(self) -> str:
        """What is recorded and shown."""

    @property
    def rules(self) -> int:
        """The number of the rules by which files are typed and checked; 0 if there are none.

        A file that was read by rules of a lower number may have other values by the present ones.
        """

    def read(self, path: Path) -> Any:
        """The value in the file."""

    def fingerprint(self, path: Path) -> str:
        """The content fingerprint of the value in the file."""

    def contents(self, path: Path, *, is_small: bool) -> Contents:
        """All that the record holds of a file; if it `is_small`, its frame may be in it."""

    def schema_text(self, path: Path) -> str | None:
        """The text of the file's schema; None for what is no table."""

    def require_likely(self, path: Path) -> None:
        """Raise ReadError if a few of its bytes show that it cannot be such a file."""


class FrameFormat(Protocol):
    """What partflow asks a format of tables, too; each method may raise ReadError."""

    @property
    def schema(self) -> Mapping[str, pl.DataType] | None:
        """The declared columns, if any."""

    def read(self, path: Path) -> pl.DataFrame:
        """The frame in the file."""

    def scan(self, paths: Sequence[Path], origin: str | None) -> pl.LazyFrame:
        """The rows of the files, in their order.

        `origin`, if any, names a column that is added and holds each row's path.
        """

    def rows(self, path: Path) -> int:
        """How many rows the file has."""

    def memory(self, path: Path) -> int:
        """About how many bytes of memory the file's frame takes; OSError if the file is gone."""

    def require_together(self, paths: Sequence[Path]) -> None:
        """Raise ReadError for the first file that cannot be read, alone or with the others."""

    def beside(self, column: str) -> Self:
        """This format, for files that may hold a partition column of that name."""


class Untabled:
    """What all formats have in common whose files are no tables: there are no rows to look at."""

    __slots__ = ()

    def fingerprint(self, path: Path) -> str:
        """The content fingerprint of the value in the file."""
        raise NotImplementedError

    def contents(self, path: Path, *, is_small: bool) -> Contents:  # noqa: ARG002
        """The fingerprint alone; such a file has no rows."""
        return Contents(self.fingerprint(path))

    def schema_text(self, path: Path) -> None:
        """None, because it is no table."""

    def require_likely(self, path: Path) -> None:
        """Do nothing: reading tells soon enough."""


@dataclass(frozen=True, slots=True)
class ProjectFormat(Untabled):
    """A project's format, under its declared name, with all that partflow asks of a format.

    ReadError if the project's method raises over a file, or the file cannot be read.
    """

    name: str
    own: Format

    rules = 0

    def write(self, value: object, path: Path) -> None:
        """Write a value; what the project's method raises goes through.

        Raises:
            ReadError: the method has written no file at the path.
        """
        self.own.write(value, path)
        if not path.is_file():
            what = f"the write of its format {self.name!r} has put no file there"
            raise ReadError(str(path), what, "write to the very path that it is given")

    def read(self, path: Path) -> object:
        """The value in the file; ReadError if the project's method raises."""
        with self._reading(path):
            return self.own.read(path)

    def fingerprint(self, path: Path) -> str:
        """The value's fingerprint; ReadError if the project's method raises, or returns no str."""
        with self._reading(path):
            text: object = self.own.fingerprint(path)
        if isinstance(text, str):
            parts = (self.name.encode(), text.encode("utf-8", "surrogatepass"))
            return fingerprint_parts(_WAY, parts)
        what = f"the fingerprint of its format {self.name!r} is {type(text).__name__}, and no text"
        raise ReadError(str(path), f"cannot be read: {what}", "have it return a str")

    def remembered(self) -> ProjectFormat:
        """This format: nothing is remembered, each reader gets a value read for itself."""
        return self

    @contextmanager
    def _reading(self, path: Path) -> Iterator[None]:
        try:
            yield
        except ReadError:
            raise
        except OSError as error:
            raise unreadable(path, error) from error
        except Exception as error:
            message = (str(error).strip().splitlines() or [""])[0]
            problem = f"{type(error).__name__}: {message}" if message else type(error).__name__
            where = _place(error, type(self.own))
            raise ReadError(str(path), f"cannot be read: {problem}{where}", REPLACE) from error


def _place(error: Exception, kind: type) -> str:
    """The last line in the format's own package that an error passed, as ' (file:line)'."""
    package = kind.__module__.partition(".")[0]
    lines = [
        f" ({frame.f_code.co_filename}:{line})"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).partition(".")[0] == package
    ]
    return lines[-1] if lines else ""
