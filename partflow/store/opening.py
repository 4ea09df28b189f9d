"""Opens files in whose place somebody may have put something else, and lock files among them."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NotAFileError(OSError):
    """A pipe, a folder or the like lies where a file should be."""


def at_once(path: str, flags: int) -> int:
    """An opener for `open`: refuses what is no file, such as a pipe that nobody writes to.

    Raises:
        NotAFileError: it is something else. A pipe would be waited for otherwise.
        OSError: it can't be opened.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotAFileError(errno.EINVAL, "it is no regular file", path)
    return descriptor


@contextmanager
def alone_with(path: Path) -> Iterator[None]:
    """Hold the lock of a lock file, which is made if it is not there; wait for whoever holds it.

    It is given back by itself: a process that a task forked meanwhile has the file open, too.
    """
    with open(path, "ab", opener=at_once) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)
