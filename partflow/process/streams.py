"""Has the standard streams work, even if they are closed, full, or read by nobody.

Knows nothing of what is written to them.
"""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Buffer  # type: ignore[attr-defined,unused-ignore] # from 3.12 on

_STDIN, _STDOUT, _STDERR = 0, 1, 2


class OutputLostError(Exception):
    """Something could not be printed to standard output; `refusal` is the system's error."""

    def __init__(self, refusal: OSError) -> None:
        super().__init__(f"standard output cannot be written ({refusal.strerror})")
        self.refusal = refusal


class _Outlet(io.FileIO):
    """A descriptor to write to; once a write was refused, all that follows is dropped.

    The first refusal is kept as `refusal`. It raises OutputLostError, too, unless `may_be_lost`.
    `is_closed` says that the stream was closed when the program began.
    """

    def __init__(self, descriptor: int, *, may_be_lost: bool, is_closed: bool) -> None:
        super().__init__(descriptor, "w", closefd=False)
        self.may_be_lost = may_be_lost
        self.is_closed = is_closed
        self.refusal: OSError | None = None

    def write(self, data: Buffer, /) -> int:
        """Write some of the data, or drop it; OutputLostError at the first refusal."""
        size = memoryview(data).nbytes
        if self.refusal is not None or (self.is_closed and self.may_be_lost):
            return size
        try:
            return self._written(data)
        except OSError as error:
            self.refusal = error.with_traceback(None)  # a traceback keeps what its frames hold
            if self.may_be_lost:
                return size
            raise OutputLostError(error) from None

    def _written(self, data: Buffer) -> int:
        """Write some of the data; waits until a descriptor that does not block takes any."""
        if self.is_closed:
            raise _closed()
        while True:
            size = super().write(data)
            if size is not None:
                return size
            select.select([], [self.fileno()], [])


def reserve_standard() -> frozenset[int]:
    """Open the standard streams that are closed, so that no file gets their numbers.

    Else what a library prints would be written into that file. Returns the numbers that were
    closed; they lead to the null device now.
    """
    closed = set()
    for number in (_STDIN, _STDOUT, _STDERR):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # it takes the lowest free number: this one
            os.set_inheritable(number, True)  # noqa: FBT003
            closed.add(number)
    return frozenset(closed)


def set_up() -> None:
    """Give Python its standard streams, wherever they lead.

    What stderr refuses is dropped: there is nobody to tell. What stdout refuses raises
    OutputLostError, unless `let_be_lost` was called.
    """
    closed = reserve_standard()
    if sys.stdin is None:
        sys.stdin = open(_STDIN, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = sys.__stdout__ = _text(_STDOUT, sys.stdout, closed)  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _text(_STDERR, sys.stderr, closed)  # type: ignore[misc]


def _text(number: int, before: object, closed: frozenset[int]) -> io.TextIOWrapper:
    outlet = _Outlet(number, may_be_lost=number != _STDOUT, is_closed=number in closed)
    encoding = getattr(before, "encoding", None) or "utf-8"
    by_line = number != _STDOUT or outlet.isatty()
    return io.TextIOWrapper(
        io.BufferedWriter(outlet), encoding, "backslashreplace", line_buffering=by_line
    )


def let_be_lost() -> None:
    """Drop what stdout refuses from now on: the output of this command is not its product."""
    outlet = _outlet()
    if outlet is not None:
        outlet.may_be_lost = True


def require_written() -> None:
    """Raise OutputLostError if anything that was printed so far was lost."""
    with suppress(AttributeError):
        sys.stdout.flush()
    outlet = _outlet()
    if outlet is not None and (outlet.refusal is not None or outlet.is_closed):
        raise OutputLostError(outlet.refusal or _closed())


def _closed() -> OSError:
    return OSError(errno.EBADF, "it is closed")


def refusal() -> OSError | None:
    """Why something that was printed to an open stdout was lost; None if nothing was."""
    with suppress(AttributeError):
        sys.stdout.flush()
    outlet = _outlet()
    return None if outlet is None else outlet.refusal


def _outlet() -> _Outlet | None:
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw if isinstance(raw, _Outlet) else None


def spoken(word: str) -> str:
    """An argument of the command line as UTF-8, in which it was most likely written.

    If the locale knows only ASCII, Python has decoded the bytes of other letters to surrogates.
    """
    try:
        return os.fsencode(word).decode()
    except UnicodeError:
        return word
