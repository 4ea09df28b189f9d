"""Holds back what a library writes to standard error while it reads a file that may be anything.

Knows nothing of files. Libraries in Rust print a trace of their own stack before they raise, which
says nothing to who delivered a damaged file.
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

    One thread at a time; what other threads write meanwhile goes the same way.
    """
    with _ALONE:
        try:
            before = os.dup(_STDERR)
        except OSError:  # it is closed: there is nothing to hold back
            yield
            return
        try:
            with _file() as held:
                _flush()
                os.dup2(held.fileno(), _STDERR)
                try:
                    yield
                finally:
                    _flush()
                    os.dup2(before, _STDERR)
                _shown(held.fileno())
        finally:
            os.close(before)


def _file() -> IO[bytes]:
    """A file that has no name; in memory where the system has such, which takes half the time."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("stderr"), "w+b")
    return TemporaryFile()


def _flush() -> None:
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.flush()


def _shown(held: int) -> None:
    """Write to standard error what was held back."""
    size = os.fstat(held).st_size
    with suppress(OSError):
        while size:
            text = os.pread(held, size, os.fstat(held).st_size - size)
            size -= os.write(_STDERR, text) if text else size
