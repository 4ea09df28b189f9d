"""Puts what attempts write to stdout, stderr and logging in this process into their logs.

Knows nothing of orders or runs. It replaces Python's own streams, and tells attempts by their
threads. What libraries and child processes write past these streams is not captured, nor what
threads write that a task has begun.
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
    """One attempt's log, under one or more paths; the file is made with the first text."""

    __slots__ = ("_file", "_paths")

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._file: TextIO | None = None

    @property
    def is_there(self) -> bool:
        """Whether anything was written."""
        return self._file is not None

    def write(self, text: str) -> None:
        """Append a text; if the disk refuses it, the text is lost and the attempt goes on."""
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
        """Close the file, and copy it to its other paths."""
        if self._file is None:
            return
        with suppress(OSError):
            self._file.close()
            for other in self._paths[1:]:
                shutil.copyfile(self._paths[0], other)


class Capture:
    """Replaces Python's streams while an attempt is under way, and listens to logging.

    What threads without an attempt write goes to the original streams. While a debugger is active,
    all that is written goes there, too, so that `breakpoint()` can be used in a task.
    """

    def __init__(self) -> None:
        self._records: _Records | None = None

    @property
    def is_open(self) -> bool:
        """Whether attempts have begun since it was made or closed."""
        return self._records is not None

    @contextmanager
    def into(self, paths: Sequence[Path]) -> Iterator[Log]:
        """Put what this thread writes into one log at these paths, until the end of the block."""
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
        """Restore logging; an attempt that hangs keeps its log until it ends."""
        with _LOCK:
            if self._records is not None:
                self._records.leave()
                self._records = None

    def _replace(self) -> None:
        with _LOCK:
            # Attempts that hang in a closed capture do not count: streams may have changed since.
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
        """Restore the original streams, unless somebody has replaced ours meanwhile."""
        with _LOCK:
            _ATTEMPTS.remove(self)
            for name, stream in _STREAMS.items():
                if not _ATTEMPTS and getattr(sys, name) is stream:
                    setattr(sys, name, stream.there)


def _log_here() -> Log | None:
    """The log of this thread's attempt; None if it has none."""
    log: Log | None = getattr(_HERE, "log", None)
    return log


class _Stream(io.TextIOBase):
    """A stream that writes to the log of the thread's attempt; without one, to the original."""

    def __init__(self, name: str) -> None:
        self.there: Any = None
        self._name = name

    @contextmanager
    def _beyond(self) -> Iterator[Any]:
        """The original stream.

        A task may have left a stream of its own there, which writes to this one. To end that
        circle, the second time it is the stream that the process began with.
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
        """The encoding of logs."""
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """How logs encode what is not Unicode text."""
        return "backslashreplace"

    @property
    def buffer(self) -> _Bytes:
        """The stream for bytes that belongs to this one."""
        return _Bytes(self)

    def write(self, text: str) -> int:
        """Write to the log; without one, or while debugging, to the original stream."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        log = _log_here()
        if log is not None:
            log.write(text)
        if log is None or _is_debugged():
            with self._beyond() as there:
                if there is not None:
                    # A progress bar's stream holds text back until a line ends, even a prompt.
                    getattr(there, "rich_proxied_file", there).write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the original stream; the log is written line by line."""
        with self._beyond() as there, suppress(AttributeError, OSError, ValueError):
            there.flush()

    def fileno(self) -> int:
        """The descriptor of the original stream, to which child processes write."""
        with self._beyond() as there:
            return int(there.fileno())

    def isatty(self) -> bool:
        """Whether the original stream is a terminal; False for a log."""
        if _log_here() is not None and not _is_debugged():
            return False
        with self._beyond() as there:
            return there is not None and bool(there.isatty())

    def writable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Do nothing: a task may close neither the log nor the original stream."""


class _Bytes(io.BufferedIOBase):
    """The stream for bytes beside a stream for text."""

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream

    def write(self, data: Any) -> int:
        """Write bytes as text; what is not UTF-8 is escaped."""
        content = bytes(data)
        self._stream.write(content.decode("utf-8", errors="backslashreplace"))
        return len(content)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def writable(self) -> bool:
        """Always."""
        return True

    def close(self) -> None:
        """Do nothing, as the stream for text."""


_STREAMS: Final = {"stdout": _Stream("stdout"), "stderr": _Stream("stderr")}
"""They are never removed, because another thread may be writing to one at any time."""
_ATTEMPTS: Final[list[Capture]] = []
"""For each attempt that is under way in this process, its capture."""
_LOCK: Final = threading.Lock()
_HERE: Final = threading.local()


class _Records(logging.Handler):
    """A handler that writes to the log of the thread's attempt."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter(_FORMAT))
        self._level_before = _let_through(logging.getLogger())
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; without an attempt, do what logging does without a handler."""
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
        """Remove the handler, and restore the level."""
        logging.getLogger().removeHandler(self)
        if self._level_before is not None:
            logging.getLogger().setLevel(self._level_before)


def log_to_stderr() -> None:
    """Send what is logged in a worker to its stderr, unless the project does that."""
    root = logging.getLogger()
    if any(type(each) is logging.StreamHandler for each in root.handlers):
        return
    _let_through(root)
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(_FORMAT))
    root.addHandler(handler)


def _let_through(root: logging.Logger) -> int | None:
    """Set the level to INFO if nobody has configured logging; returns the level before.

    None if it is not changed.
    """
    if root.handlers or root.level != logging.WARNING:
        return None
    root.setLevel(logging.INFO)
    return logging.WARNING


def _is_debugged() -> bool:
    """Whether a debugger is active."""
    if sys.gettrace() is not None:
        return True
    monitoring = getattr(sys, "monitoring", None)  # Python 3.12 and newer
    return monitoring is not None and monitoring.get_tool(monitoring.DEBUGGER_ID) is not None
