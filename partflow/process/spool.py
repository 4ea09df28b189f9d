"""Holds what a worker process writes to stdout and stderr, until it is moved into a log.

Knows nothing of orders or runs. It works on file descriptors, so that it also holds what libraries,
child processes and a crash write.
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
    """A file without a name, which both a worker and the run's process have open.

    So it outlives the worker, and has the worker's last output. The system removes it when both
    have closed it. To pass a spool to a worker, pickle it while the worker is spawned: then it is
    open there, too.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @property
    def descriptor(self) -> int:
        """What a process is to have as its standard output, if it is not spawned."""
        return self._descriptor

    @classmethod
    def made(cls, folder: Path) -> Spool:
        """A new spool on the disk of a folder, which is made if it is absent."""
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            descriptor = os.dup(file.fileno())
        fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_APPEND)
        return cls(descriptor)

    def __reduce__(self) -> tuple[Any, tuple[Any]]:
        """Duplicate the descriptor into the process that is being spawned."""
        return _received, (reduction.DupFd(self._descriptor),)

    def take_over(self) -> None:
        """Send all that this process and its children write to the spool, without buffering."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(AttributeError, OSError, ValueError):
                stream.flush()
        os.dup2(self._descriptor, 1)
        os.dup2(self._descriptor, 2)
        sys.stdout, sys.stderr = _text(1), _text(2)

    def move(self, logs: Sequence[Path]) -> bool:
        """Move what was written to the end of a log; whether anything was moved.

        `logs` are the paths of that one log. If it cannot be written, what was written is lost: the
        attempt must not fail because of its log.
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
        """The end of what was written: at most 16 KiB, from the beginning of a line on."""
        size = os.fstat(self._descriptor).st_size
        end = os.pread(self._descriptor, _TAIL, max(0, size - _TAIL)).decode(errors="replace")
        return end if size <= _TAIL else end.partition("\n")[2]

    def clear(self) -> None:
        """Drop what was written."""
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
        while block := os.pread(descriptor, _AT_ONCE, at):
            at += file.write(block)


def _same(log: Path, other: Path) -> None:
    try:
        other.hardlink_to(log)
    except OSError:
        shutil.copyfile(log, other)
