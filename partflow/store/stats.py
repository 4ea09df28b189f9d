"""Asks for the stats of many files below a folder; as a program, for those of several folders.

Knows nothing of datasets. It imports little, because as a program it is started to save time.
"""

from __future__ import annotations

import marshal
import os
import sys
from array import array

TYPE_CHECKING = False  # Importing `typing` would take as long as all the rest.
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import AnyStr

NONE = (-1, -1, -1, -1)
"""Stands for a file that is not there."""
UNKNOWN = (0, 0, 0, 0)
"""Stands for a file that stat refuses: it equals no recorded one, so the file is read."""
_FEW = 16
"""So many files cost less by their whole paths than what it takes to open the folder."""


def stats(folder: bytes, parts: Sequence[bytes], keys: Sequence[bytes]) -> array[int]:
    """Size, mtime, ctime (ns) and inode for each key, in one flat array.

    A file's path below the folder is `parts` joined by its key. A flat array is a third cheaper
    than tuples. As soon as one file is absent the folder is listed, so that others which are absent
    cost no stat.
    """
    numbers, are_few = array("q"), len(keys) <= _FEW
    try:
        top, descriptor = (folder + b"/", None) if are_few else (b"", _opened(folder))
    except OSError as error:  # A folder that is refused may hold any of the files.
        gone = isinstance(error, FileNotFoundError | NotADirectoryError)
        for _ in keys:
            numbers.extend(NONE if gone else UNKNOWN)
        return numbers
    add, stat, names, is_open = numbers.extend, os.stat, None, not are_few
    try:
        for key in keys:
            name = key.join(parts)
            if names is None or name.partition(b"/")[0] in names:
                try:
                    result = stat(top + name, dir_fd=descriptor)
                except (FileNotFoundError, NotADirectoryError):
                    if names is None and is_open:
                        names = _listed(folder)
                        is_open = names is not None
                except OSError:  # Links in a circle, or no permission: reading it will say so.
                    add(UNKNOWN)
                    continue
                else:
                    add((result.st_size, result.st_mtime_ns, result.st_ctime_ns, result.st_ino))
                    continue
            add(NONE)
    finally:
        if descriptor is not None:
            os.close(descriptor)
    return numbers


def _opened(folder: bytes) -> int:
    """A descriptor of a folder, even if its permissions forbid to list it."""
    try:
        return os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except PermissionError:
        if not hasattr(os, "O_PATH"):
            raise
        return os.open(folder, os.O_PATH | os.O_DIRECTORY)


def _listed(folder: bytes) -> set[bytes] | None:
    """The names in a folder; None if it may not be listed."""
    try:
        return listed(folder)
    except OSError:
        return None


def listed(folder: AnyStr | os.PathLike[AnyStr]) -> set[AnyStr]:
    """The names in a folder; empty if it is absent, or no folder. OSError if it is refused."""
    try:
        with os.scandir(folder) as entries:
            return {e.name for e in entries}
    except (FileNotFoundError, NotADirectoryError):
        return set()


def folders(folder: AnyStr | os.PathLike[AnyStr]) -> list[AnyStr]:
    """The names of the folders in a folder, sorted, without links; OSError if it is refused."""
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if e.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _answer() -> None:
    """Answer what our parent process asks on standard input: a list of (folder, parts, keys)."""
    for folder, parts, keys in marshal.load(sys.stdin.buffer):  # noqa: S302  # nosec B302
        stats(folder, parts, keys).tofile(sys.stdout.buffer)


if __name__ == "__main__":
    _answer()
