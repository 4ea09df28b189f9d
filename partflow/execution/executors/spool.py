"""All that a worker process writes to its stdout and stderr, until it is moved into a log.

Knows nothing of orders or runs. It works on file descriptors, so that what libraries, child
processes and a crash write is kept, too.
"""

from __future__ import annotations

import fcntl
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing import reduction
from pathlib import Path
from typing import Any

_AT_ONCE = 2**20
_TAIL = 16 * 2**10


class Spool:
    """A file without a name, which a worker and its coordinator have open both.

    It outlives the worker, whose last words are in it, and goes when both are gone: there is
    nothing to sweep. A spool that is pickled while a process is spawned is open in that process.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @classmethod
    def made(cls, folder: Path) -> Spool:
        """A new one on the disk of that folder, which is made if it is not there."""
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            descriptor = os.dup(file.fileno())
        fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_APPEND)
        return cls(descriptor)

    def __reduce__(self) -> tuple[Any, tuple[Any]]:
        """Open in the process that is being spawned."""
        return _received, (reduction.DupFd(self._descriptor),)

    def take_over(self) -> None:
        """From now on all that this process and its children write goes here, as it is written."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError, OSError, ValueError):
                stream.flush()
        os.dup2(self._descriptor, 1)
        os.dup2(self._descriptor, 2)
        sys.stdout, sys.stderr = _text(1), _text(2)

    def move(self, logs: Sequence[Path]) -> bool:
        """Move what was written to the end of a log; whether there was anything.

        It is one log under as many names. A log that can't be written is given up: it must not cost
        the attempt, for which the disk has a word of its own.
        """
        if not os.fstat(self._descriptor).st_size:
            return False
        try:
            _append(self._descriptor, logs[0])
            for other in logs[1:]:
                other.unlink(missing_ok=True)
                _same(logs[0], other)
        except OSError:
            return False
        finally:
            self.clear()
        return True

    def tail(self) -> str:
        """The end of what was written: its last 16 KiB at most, from the beginning of a line."""
        size = os.fstat(self._descriptor).st_size
        found = os.pread(self._descriptor, _TAIL, max(0, size - _TAIL)).decode(errors="replace")
        return found if size <= _TAIL else found.partition("\n")[2]

    def clear(self) -> None:
        """Forget what was written."""
        os.ftruncate(self._descriptor, 0)

    def close(self) -> None:
        """Close it in this process."""
        os.close(self._descriptor)


def _received(descriptor: Any) -> Spool:
    return Spool(descriptor.detach())


def _text(descriptor: int) -> io.TextIOWrapper:
    return open(
        descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
    )


def _append(descriptor: int, log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    at = 0
    with log.open("ab") as file:
        while found := os.pread(descriptor, _AT_ONCE, at):
            at += file.write(found)


def _same(log: Path, other: Path) -> None:
    try:
        other.hardlink_to(log)
    except OSError:
        shutil.copyfile(log, other)
