"""Holds back what a library writes to standard error while it reads a file that may be damaged.

Knows nothing of files. Libraries in Rust print their own stack before they raise an error, and
whoever delivered the file cannot use that.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile
from typing import IO

_ALONE = threading.RLock()
_STDERR = 2


@contextmanager
def muffled() -> Iterator[None]:
    """Drop what is written to the process's standard error if an error is raised, else show it.

    One thread does so at a time. What other threads write meanwhile is dropped or shown with it.
    """
    with _ALONE:
        try:
            before = os.dup(_STDERR)
        except OSError:  # it is closed: there is nothing to hold back
            yield
            return
        try:
            with _file() as file:
                _flush()
                os.dup2(file.fileno(), _STDERR)
                try:
                    yield
                finally:
                    _flush()
                    os.dup2(before, _STDERR)
                _show(file.fileno())
        finally:
            os.close(before)


def _file() -> IO[bytes]:
    """A file without a name; in memory where the system can do that, in half the time."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("stderr"), "w+b")
    return TemporaryFile()


def _flush() -> None:
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()


def _show(descriptor: int) -> None:
    """Write to standard error what a file holds."""
    size = os.fstat(descriptor).st_size
    with suppress(OSError):
        while size:
            text = os.pread(descriptor, size, os.fstat(descriptor).st_size - size)
            size -= os.write(_STDERR, text) if text else size
