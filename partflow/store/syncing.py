"""Makes files and folders durable: each by itself, or with one call all of a file system.

`syncfs` takes a tenth of the processor that a sync of each of some thirty files takes, and less
time; but it waits for what other programs have written, too, and its error names no file. Linux
reports an error of it since 5.8 to each descriptor that was open when the file was written (see
syncfs(2) and the kernel's documentation of errseq_t): so one is opened before anything is staged.
"""

from __future__ import annotations

import os
import sys
import time
import weakref
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes
    from concurrent.futures import ThreadPoolExecutor

AT_LEAST = 8
"""Fewer files and folders are synced each by itself."""

_SIDE_BY_SIDE = 8
_KNOWN = {0xEF53, 0x58465342, 0x9123683E}
"""ext4, XFS and Btrfs, as statfs(2) names them: elsewhere `syncfs` may do nothing."""

_SINCE = (5, 8)
_SLOW = 0.05
"""Seconds; what takes no longer is never too long to wait for all of a file system."""

_FIRST_PAUSE, _LONGEST_PAUSE = 16, 1024
"""So many groups are synced file by file after others had to be waited for."""


class Syncing:
    """Syncs groups of files and folders on one file system, that of `folder`."""

    def __init__(
        self, folder: Path, *, at_least: int = AT_LEAST, pace: SyncPace | None = None
    ) -> None:
        self._at_least = at_least
        self._pool: ThreadPoolExecutor | None = None
        self._whole = _FileSystem(folder)
        self._pace = pace or SyncPace()

    def sync(self, paths: Sequence[str]) -> dict[str, OSError]:
        """Make them durable; returns the errors by path.

        If a whole file system was refused, that is the error of every path. A file that the disk
        refused must not be trusted, nor synced again: a second sync could succeed without its data.
        """
        began = time.perf_counter()
        if self._is_for_all(paths):
            refusal = self._whole.sync()
            self._pace.whole(len(paths), time.perf_counter() - began, failed=refusal is not None)
            return {} if refusal is None else dict.fromkeys(paths, refusal)
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(_SIDE_BY_SIDE)
        errors = list(self._pool.map(_synced, paths))
        self._pace.each(len(paths), time.perf_counter() - began)
        return {p: error for p, error in zip(paths, errors, strict=True) if error is not None}

    def _is_for_all(self, paths: Sequence[str]) -> bool:
        if len(paths) < self._at_least or not self._pace.may_be_whole():
            return False
        return self._whole.is_known and all(
            _device_of(path) == self._whole.device for path in paths
        )


class SyncPace:
    """Judges from what syncs took whether the whole file system is worth the wait. Has no clock."""

    def __init__(self) -> None:
        self._seconds: float | None = None
        self._pause = 0
        self._next_pause = _FIRST_PAUSE

    def may_be_whole(self) -> bool:
        """Whether the next group may be synced with its whole file system; asked once a group."""
        if self._pause:
            self._pause -= 1
            return False
        return self._seconds is not None

    def each(self, count: int, seconds: float) -> None:
        """So many files took so long, each synced by itself."""
        self._seconds = seconds / count

    def whole(self, count: int, seconds: float, *, failed: bool) -> None:
        """A file system took so long, for so many files of ours."""
        alone = (self._seconds or 0.0) * count
        if failed or seconds > max(_SLOW, 2 * alone):
            self._pause = self._next_pause
            self._next_pause = min(2 * self._next_pause, _LONGEST_PAUSE)
        else:
            self._next_pause = _FIRST_PAUSE


class _FileSystem:
    """The file system of a folder, by a descriptor that is open as long as this is.

    Without a descriptor, or where `syncfs` is not to be relied on, it `is_known` as nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.device = 0
        self._descriptor = -1
        here = next((each for each in (folder, *folder.parents) if each.is_dir()), None)
        if here is None or sys.platform != "linux":
            return
        with suppress(OSError):
            self._descriptor = os.open(here, os.O_RDONLY)
            self.device = os.fstat(self._descriptor).st_dev
            weakref.finalize(self, os.close, self._descriptor)

    @cached_property
    def is_known(self) -> bool:
        """Whether the kernel and the file system are such that `syncfs` does what it says."""
        return (
            self._descriptor >= 0
            and _is_since(os.uname().release)
            and _kind_of(self._descriptor) in _KNOWN
        )

    def sync(self) -> OSError | None:
        """Make all of it durable; returns the error if the disk refused anything."""
        if _system().syncfs(self._descriptor) == 0:
            return None
        import ctypes

        number = ctypes.get_errno()
        return OSError(number, f"{os.strerror(number)} (of some file on its file system)")


@cache
def _system() -> ctypes.CDLL:
    """The C library of this process."""
    import ctypes

    return ctypes.CDLL(None, use_errno=True)


def _is_since(release: str) -> bool:
    """Whether a kernel, such as 6.8.0-45-generic, reports what `syncfs` could not write."""
    numbers = release.partition("-")[0].split(".")
    try:
        return (int(numbers[0]), int(numbers[1])) >= _SINCE
    except (ValueError, IndexError):
        return False


def _kind_of(descriptor: int) -> int:
    """The magic number of a descriptor's file system; 0 if that is unknown."""
    import ctypes

    answer = ctypes.create_string_buffer(512)  # larger than struct statfs is anywhere
    if _system().fstatfs(descriptor, answer) != 0:
        return 0
    return int.from_bytes(answer.raw[: ctypes.sizeof(ctypes.c_long)], sys.byteorder)


def _device_of(path: str) -> int | None:
    try:
        return os.stat(path).st_dev
    except OSError:
        return None


def sync_one(path: str | Path) -> None:
    """Make one file or folder durable; OSError if the disk refuses it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _synced(path: str) -> OSError | None:
    """Sync a file or folder; returns the error if the disk refused it."""
    try:
        sync_one(path)
    except OSError as error:
        return OSError(error.errno, error.strerror, path)
    return None
