"""What stat says of many files below a folder. As a program, it says so of others' folders.

Knows nothing of datasets. As a program it is started for its time alone: it imports little.
"""

from __future__ import annotations

import marshal
import os
import sys
from array import array

TYPE_CHECKING = False  # to import the module `typing` takes as long as all the rest
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import AnyStr

NONE = (-1, -1, -1, -1)
"""Stands for a file that is not there."""
UNKNOWN = (0, 0, 0, 0)
"""What there is of a file that stat refuses: unlike any that was recorded, so it is looked at."""


def stats(folder: bytes, parts: Sequence[bytes], keys: Iterable[bytes]) -> array[int]:
    """Size, mtime, ctime (ns) and inode for each key, flat; the path is its `parts` joined by it.

    Numbers in one row: a tuple for each file would cost half as much again. As soon as a file is
    not there the folder is listed, and no other is looked for in vain.
    """
    found = array("q")
    try:
        descriptor = _opened(folder)
    except OSError as error:  # a folder that is refused may hold any of them
        gone = isinstance(error, FileNotFoundError | NotADirectoryError)
        for _ in keys:
            found.extend(NONE if gone else UNKNOWN)
        return found
    add, stat, names, is_open = found.extend, os.stat, None, True
    try:
        for key in keys:
            name = key.join(parts)
            if names is None or name.partition(b"/")[0] in names:
                try:
                    one = stat(name, dir_fd=descriptor)
                except (FileNotFoundError, NotADirectoryError):
                    if names is None and is_open:
                        names = _listed(folder)
                        is_open = names is not None
                except OSError:  # links in a circle, no permission: who reads it is told
                    add(UNKNOWN)
                    continue
                else:
                    add((one.st_size, one.st_mtime_ns, one.st_ctime_ns, one.st_ino))
                    continue
            add(NONE)
    finally:
        os.close(descriptor)
    return found


def _opened(folder: bytes) -> int:
    """A folder, to look for names in it; also where its rights forbid to list it."""
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        if not hasattr(os, "O_PATH"):
            raise
        return os.open(folder, os.O_PATH | os.O_DIRECTORY)


def _listed(folder: bytes) -> set[bytes] | None:
    """The names in a folder; None where it may not be listed."""
    try:
        return listed(folder)
    except OSError:
        return None


def listed(folder: AnyStr | os.PathLike[AnyStr]) -> set[AnyStr]:
    """The names in a folder; none if it is not there, or no folder."""
    try:
        with os.scandir(folder) as entries:
            return {e.name for e in entries}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def folders(folder: AnyStr | os.PathLike[AnyStr]) -> list[AnyStr]:
    """The names of the folders in a folder, sorted; a link leads elsewhere and is passed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if e.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _answer() -> None:
    """Say it of what our own parent asks on standard input: (folder, parts, keys), each in turn."""
    for folder, parts, keys in marshal.load(sys.stdin.buffer):  # noqa: S302  # nosec B302
        stats(folder, parts, keys).tofile(sys.stdout.buffer)


if __name__ == "__main__":
    _answer()
