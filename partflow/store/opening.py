"""Opens files, lock files among them, in whose place there may be a pipe or a folder.

Knows nothing of what the files are for.
"""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class NotAFileError(OSError):
    """Something else than a regular file, as a pipe or a folder, is where a file should be."""


def at_once(path: str, flags: int) -> int:
    """An opener for `open` that refuses what is no regular file, and never waits for a pipe.

    Raises:
        NotAFileError: there is something else than a regular file.
        OSError: it cannot be opened.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotAFileError(errno.EINVAL, "it is no regular file", path)
    return descriptor


@contextmanager
def alone_with(path: Path) -> Iterator[BinaryIO]:
    """Wait for the lock of a file, and hold it until the end of the block; gives it open to append.

    The file is made if it is absent. The lock is released explicitly, not by closing the file: a
    process that a task has forked may have it open, too. OSError if the file cannot be opened.
    """
    with open(path, "a+b", opener=at_once) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield file
        finally:
            fcntl.flock(file, fcntl.LOCK_UN)


@contextmanager
def not_in_children(descriptor: int) -> Iterator[None]:
    """Keep a locked file from forked processes: one that outlives this one would hold the lock."""
    descriptors = _held_here()
    descriptors.add(descriptor)
    try:
        yield
    finally:
        descriptors.discard(descriptor)


@functools.cache
def _held_here() -> set[int]:
    """The descriptors of the locked files of this process; processes that it forks close them."""
    descriptors: set[int] = set()
    os.register_at_fork(after_in_child=functools.partial(_let_go, descriptors))
    return descriptors


def _let_go(descriptors: set[int]) -> None:
    """In a forked process: close the locked files of its parent, and keep their numbers in use."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor in descriptors:
        os.dup2(nothing, descriptor, inheritable=False)
    os.close(nothing)
