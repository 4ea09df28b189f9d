"""Says in one line why a file cannot be read, from what polars, pyarrow or the disk raised.

Knows nothing of formats.
"""

from __future__ import annotations

import errno
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from partflow.errors import ReadError, advice_of
from partflow.store.opening import NotAFileError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REPLACE = "replace the file, or make it again"
"""What to do about a file whose own bytes are wrong."""
_OS_ERROR = re.compile(r"\(os error (\d+)\)")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what polars or the disk raises over a file into a ReadError."""
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: BaseException) -> ReadError:
    """The ReadError that says in one line why a file could not be read, and what to do."""
    if isinstance(error, FileNotFoundError):
        return ReadError(str(path), "there is no such file", "put it back, or make it again")
    number = refusal_behind(error)
    if isinstance(error, NotAFileError):
        return ReadError(str(path), f"cannot be read: {error.strerror}", _advised(errno.EINVAL))
    if number and os.strerror(number):
        problem = os.strerror(number).lower()
        return ReadError(str(path), f"cannot be read: {problem}", _advised(number))
    problem = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if type(error).__name__ == "PanicException":  # Its text is about polars, not about the file.
        problem = "its data is damaged"
    return ReadError(str(path), f"cannot be read: {problem}", REPLACE)


def _advised(number: int) -> str:
    return advice_of(OSError(number, ""))


def refusal_behind(error: BaseException | None) -> int:
    """The errno of the system's error that an error was raised for; 0 if there was none.

    polars, which is written in Rust, has it only at the end of its message.
    """
    if isinstance(error, OSError) and error.errno:
        return error.errno
    os_error = _OS_ERROR.search(str(error))
    return int(os_error[1]) if os_error else 0
