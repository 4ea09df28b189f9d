"""Frames that this process has just made or read, for their next readers, within a budget of bytes.

Knows nothing of datasets or tasks. A frame is handed over only to who would read the file in the
same way, and while the file at its path is the very one that it was made or read with: what a
reader gets never differs from reading the file. Each reader gets a copy, and may write into it.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from partflow.formats.copies import Packed
from partflow.formats.fingerprint import SIMPLE

if TYPE_CHECKING:
    import polars as pl

BUDGET = 256 * 2**20
SMALL = 2**20
"""A file of up to so many bytes is read whole and kept; a larger one is scanned as it is asked."""

Identity = tuple[int, int, int]


class AsRead(NamedTuple):
    """A path, and the way in which what lies there is read: see `formats.way_of`.

    The partition column is no part of it, as it does not stand in the file.
    """

    path: str
    way: Hashable


@dataclass(slots=True)
class _Held:
    """A frame, and the size, time of modification and inode of its file.

    `ctime_ns` is that of the file when it was first seen in its place, where renaming had put it.
    """

    frame: Packed
    identity: Identity
    ctime_ns: int | None = None


class HandOver:
    """The frames of one process, the least recently used of which goes first. Threads may share it.

    Requires: an edit in place shows in a file's stat. `Store.seal` dates files so; others are kept
    only once they are older than the clock's step.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._held: OrderedDict[AsRead, _Held] = OrderedDict()
        self._nbytes = 0
        self._lock = threading.Lock()

    def wants(self, frame: pl.DataFrame) -> bool:
        """Whether a frame would be kept: it has room, and comes back from its file as it is."""
        return self._has_room(int(frame.estimated_size())) and _round_trips(tuple(frame.dtypes))

    def keep(
        self, file: AsRead, identity: Identity, frame: Packed, ctime_ns: int | None = None
    ) -> None:
        """Keep the frame that is in the file of that identity, now or once it is renamed there.

        Requires: the frame is wanted.
        """
        with self._lock:
            self._drop(file)
            if not self._has_room(frame.nbytes):
                return
            self._held[file] = _Held(frame, identity, ctime_ns)
            self._nbytes += frame.nbytes
            while self._nbytes > self._budget:
                self._drop(next(iter(self._held)))

    def take(self, file: AsRead) -> pl.DataFrame | None:
        """A copy of the frame in a file; None if it has to be read."""
        with self._lock:
            held = self._held.get(file)
            if held is None:
                return None
            try:
                stat = os.stat(file.path)  # noqa: PTH116 - a million of these
            except OSError:
                return None
            same = (stat.st_size, stat.st_mtime_ns, stat.st_ino) == held.identity
            if not same or held.ctime_ns not in (None, stat.st_ctime_ns):
                self._drop(file)
                return None
            held.ctime_ns = stat.st_ctime_ns
            self._held.move_to_end(file)
        return held.frame.copy()

    def clear(self) -> None:
        """Forget all frames."""
        with self._lock:
            self._held.clear()
            self._nbytes = 0

    def _has_room(self, nbytes: int) -> bool:
        return nbytes <= self._budget // 4

    def _drop(self, file: AsRead) -> None:
        held = self._held.pop(file, None)
        if held is not None:
            self._nbytes -= held.frame.nbytes


def identity_of(path: Path | str) -> Identity:
    """The identity of the file at that path, which renaming it does not change."""
    stat = os.stat(path)  # noqa: PTH116
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _round_trips(dtypes: tuple[pl.DataType, ...]) -> bool:
    return all(type(each).__name__ in SIMPLE or round_trips(each) for each in dtypes)


def round_trips(dtype: pl.DataType) -> bool:
    """Whether a column of this type comes back from Parquet as it was, in every respect.

    Categoricals do not (their codes may be others), nor do enums, nulls and arrays for sure.
    """
    import polars as pl

    if isinstance(dtype, pl.List):
        return round_trips(dtype.inner)  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct):
        return bool(dtype.fields) and all(round_trips(f.dtype) for f in dtype.fields)  # type: ignore[arg-type]
    return type(dtype).__name__ in {*SIMPLE, "Datetime", "Duration", "Decimal"}
