"""Opens files in whose place somebody may have put something else."""

from __future__ import annotations

import errno
import os
import stat


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
