"""What is written to stdout, stderr and logging in this process, put into a log for each attempt.

Knows nothing of orders or runs. It works on Python's own streams, by thread: what libraries and
child processes write past them, and threads that a task begins, goes where it always went.
"""

from __future__ import annotations

import io
import logging
import shutil
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, TextIO

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Log:
    """One attempt's log under one or more names; the file is made when something is written."""

    __slots__ = ("_file", "_paths")

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._file: TextIO | None = None

    @property
    def is_there(self) -> bool:
        """Whether anything was written."""
        return self._file is not None

    def write(self, text: str) -> None:
        """Write at its end. A full disk must not cost the attempt, nor its log: it is left out."""
        if not text:
            return
        with suppress(OSError, ValueError):  # closed: written by a child that outlived the attempt
            if self._file is None:
                self._paths[0].parent.mkdir(parents=True, exist_ok=True)
                self._file = self._paths[0].open(
                    "a", buffering=1, encoding="utf-8", errors="backslashreplace", newline=""
                )
            self._file.write(text)

    def close(self) -> None:
        """End it, and give it its other names."""
        if self._file is None:
            return
        with suppress(OSError):
            self._file.close()
            for other in self._paths[1:]:
                shutil.copyfile(self._paths[0], other)


class Capture:
    """Python's streams and logging, replaced while an attempt is under way in this process.

    What threads without an attempt write goes to the streams that were there. While a debugger
    follows the code all is shown on these, too, so that `breakpoint()` can be used in a task.
    """

    def __init__(self) -> None:
        self._records: _Records | None = None

    @property
    def is_open(self) -> bool:
        """Whether attempts have begun since it was made or closed."""
        return self._records is not None

    @contextmanager
    def into(self, paths: Sequence[Path]) -> Iterator[Log]:
        """Put what this thread writes into the log at these paths."""
        log = Log(paths)
        before = _log_here()
        self._replace()
        _HERE.log = log
        try:
            yield log
        finally:
            _HERE.log = before
            self._put_back()
            log.close()

    def close(self) -> None:
        """Leave logging as it was; an attempt that hangs has its log until it ends."""
        with _LOCK:
            if self._records is not None:
                self._records.leave()
                self._records = None

    def _replace(self) -> None:
        with _LOCK:
            # What a closed one has left hanging does not count: others may have put streams since.
            is_under_way = any(each.is_open for each in _ATTEMPTS)
            if self._records is None:
                self._records = _Records()
            _ATTEMPTS.append(self)
            if is_under_way:
                return
            for name, stream in _STREAMS.items():
                present = getattr(sys, name)
                if present is not stream:
                    stream.there = present
                    setattr(sys, name, stream)

    def _put_back(self) -> None:
        """Put the streams back that were there, unless somebody has put others in their place."""
        with _LOCK:
            _ATTEMPTS.remove(self)
            for name, stream in _STREAMS.items():
                if not _ATTEMPTS and getattr(sys, name) is stream:
                    setattr(sys, name, stream.there)


def _log_here() -> Log | None:
    """The log of this thread's attempt; None if it has none."""
    found: Log | None = getattr(_HERE, "log", None)
    return found


class _Stream(io.TextIOBase):
    """A stream that writes to the log of the thread's attempt, or else to the one before it."""

    def __init__(self, name: str) -> None:
        self.there: Any = None
        self._name = name

    @contextmanager
    def _beyond(self) -> Iterator[Any]:
        """The stream that was there.

        It may be one that a task put around this one and left: then it comes back here, and what
        the process began with is beyond.
        """
        if getattr(_HERE, "is_beyond", False):
            yield getattr(sys, f"__{self._name}__")
            return
        _HERE.is_beyond = True
        try:
            yield self.there
        finally:
            _HERE.is_beyond = False

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a property where a variable is declared
        """That of the log."""
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """That of the log."""
        return "backslashreplace"

    @property
    def buffer(self) -> _Bytes:
        """The same for bytes."""
        return _Bytes(self)

    def write(self, text: str) -> int:
        """Write to the log, and before a debugger's eyes."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        log = _log_here()
        if log is not None:
            log.write(text)
        if log is None or _is_debugged():
            with self._beyond() as there:
                if there is not None:
                    # A bar that shows the progress holds back what has no line's end, as a prompt.
                    getattr(there, "rich_proxied_file", there).write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the one before; the log is written line by line."""
        with self._beyond() as there, suppress(AttributeError, OSError, ValueError):
            there.flush()

    def fileno(self) -> int:
        """That of the one before: a child process writes there."""
        with self._beyond() as there:
            return int(there.fileno())

    def isatty(self) -> bool:
        """Whether somebody sits before it: not before a log."""
        if _log_here() is not None and not _is_debugged():
            return False
        with self._beyond() as there:
            return there is not None and bool(there.isatty())

    def writable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Nothing: neither the log nor the one before is a task's to close."""


class _Bytes(io.BufferedIOBase):
    """The bytes' side of a stream."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def write(self, data: Any) -> int:
        """Write as text."""
        found = bytes(data)
        self._stream.write(found.decode("utf-8", errors="backslashreplace"))
        return len(found)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def writable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Nothing, as the stream."""


_STREAMS: Final = {"stdout": _Stream("stdout"), "stderr": _Stream("stderr")}
"""They live as long as the process: another thread may be about to write to one at any time."""
_ATTEMPTS: Final[list[Capture]] = []
"""What captures each attempt that is under way in this process."""
_LOCK: Final = threading.Lock()
_HERE: Final = threading.local()


class _Records(logging.Handler):
    """Writes what is logged to the log of the thread's attempt; otherwise it changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(_FORMAT))
        self._level_before = _let_through(logging.getLogger())
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, with its traceback if it has one."""
        log = _log_here()
        if log is not None:
            try:
                log.write(f"{self.format(record)}\n")
            except Exception:  # noqa: BLE001 - as every handler of logging does
                self.handleError(record)
            return
        last = logging.lastResort
        is_alone = logging.getLogger().handlers == [self]
        if is_alone and last is not None and record.levelno >= last.level:
            last.handle(record)

    def leave(self) -> None:
        """Take no more."""
        logging.getLogger().removeHandler(self)
        if self._level_before is not None:
            logging.getLogger().setLevel(self._level_before)


def log_to_stderr() -> None:
    """Let what is logged in a worker go to its stderr, unless the project has seen to that."""
    root = logging.getLogger()
    if any(type(each) is logging.StreamHandler for each in root.handlers):
        return
    _let_through(root)
    found = logging.StreamHandler()
    found.setFormatter(logging.Formatter(_FORMAT))
    root.addHandler(found)


def _let_through(root: logging.Logger) -> int | None:
    """Let pass what informs, if nobody has set logging up; the level before, if it is changed."""
    if root.handlers or root.level != logging.WARNING:
        return None
    root.setLevel(logging.INFO)
    return logging.WARNING


def _is_debugged() -> bool:
    """Whether a debugger follows the code."""
    if sys.gettrace() is not None:
        return True
    monitoring = getattr(sys, "monitoring", None)  # Python 3.12 and newer
    return monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None
