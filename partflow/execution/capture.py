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
from typing import Any, TextIO

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
        with suppress(OSError):
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
        self._here = threading.local()
        self._lock = threading.Lock()
        self._attempts = 0
        self._there: tuple[Any, Any] = (None, None)
        self._ours: tuple[Any, Any] = (None, None)
        self._records: _Records | None = None

    @contextmanager
    def into(self, paths: Sequence[Path]) -> Iterator[Log]:
        """Put what this thread writes into the log at these paths."""
        log = Log(paths)
        before = self.log
        self._replace()
        self._here.log = log
        try:
            yield log
        finally:
            self._here.log = before
            self._put_back()
            log.close()

    @property
    def log(self) -> Log | None:
        """The log of this thread's attempt; None if it has none."""
        found: Log | None = getattr(self._here, "log", None)
        return found

    def close(self) -> None:
        """Leave logging as it was."""
        with self._lock:
            if self._records is not None:
                self._records.leave()
                self._records = None

    def _replace(self) -> None:
        with self._lock:
            self._attempts += 1
            if self._attempts > 1:
                return
            if self._records is None:
                self._records = _Records(self)
            self._there = sys.stdout, sys.stderr
            self._ours = _Stream(self, sys.stdout), _Stream(self, sys.stderr)
            sys.stdout, sys.stderr = self._ours

    def _put_back(self) -> None:
        """Put the streams back that were there, unless somebody has put others in their place."""
        with self._lock:
            self._attempts -= 1
            if self._attempts:
                return
            if sys.stdout is self._ours[0]:
                sys.stdout = self._there[0]
            if sys.stderr is self._ours[1]:
                sys.stderr = self._there[1]


class _Stream(io.TextIOBase):
    """A stream that writes to the log of the thread's attempt, or else to the one before it."""

    def __init__(self, capture: Capture, there: Any) -> None:
        self._capture = capture
        self._there = there

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
        log = self._capture.log
        if log is not None:
            log.write(text)
        if (log is None or _is_debugged()) and self._there is not None:
            # A bar that shows the progress holds back what has no line's end, as a prompt.
            getattr(self._there, "rich_proxied_file", self._there).write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the one before; the log is written line by line."""
        with suppress(AttributeError, OSError, ValueError):
            self._there.flush()

    def fileno(self) -> int:
        """That of the one before: a child process writes there."""
        return int(self._there.fileno())

    def isatty(self) -> bool:
        """Whether somebody sits before it: not before a log."""
        if self._there is None or (self._capture.log is not None and not _is_debugged()):
            return False
        return bool(self._there.isatty())

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


class _Records(logging.Handler):
    """Writes what is logged to the log of the thread's attempt; otherwise it changes nothing."""

    def __init__(self, capture: Capture) -> None:
        super().__init__()
        self._capture = capture
        self.setFormatter(logging.Formatter(_FORMAT))
        self._level_before = _let_through(logging.getLogger())
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, with its traceback if it has one."""
        log = self._capture.log
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
