"""Frames that this process has just made or read, for their next readers, within a budget of bytes.

Knows nothing of datasets or tasks. A frame is handed over only while the file at its path is the
very one that it was made or read with: what a reader gets never differs from reading the file.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from partflow.content import SIMPLE

if TYPE_CHECKING:
    import polars as pl

BUDGET = 256 * 2**20
SMALL = 2**20
"""A file of up to so many bytes is read whole and kept; a larger one is scanned as it is asked."""

Identity = tuple[int, int, int]


@dataclass(slots=True)
class _Held:
    """A frame, the size, time of modification and inode of its file, and its size in memory.

    `ctime_ns` is that of the file when it was first seen in its place, where renaming had put it.
    """

    frame: pl.DataFrame
    identity: Identity
    nbytes: int
    ctime_ns: int | None = None


class HandOver:
    """The frames of one process, the least recently used of which goes first. Threads may share it.

    Requires: an edit in place shows in a file's stat. `Store.seal` dates files so; others are kept
    only once they are older than the clock's step.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._nbytes = 0
        self._lock = threading.Lock()

    def keep(
        self,
        path: Path | str,
        identity: Identity,
        frame: pl.DataFrame,
        ctime_ns: int | None = None,
    ) -> None:
        """Keep the frame that is in the file of that identity, now or once it is renamed there."""
        if not _round_trips(tuple(frame.dtypes)):
            return
        held = _Held(frame.clone(), identity, int(frame.estimated_size()), ctime_ns)
        with self._lock:
            self._drop(str(path))
            if held.nbytes > self._budget // 4:
                return
            self._held[str(path)] = held
            self._nbytes += held.nbytes
            while self._nbytes > self._budget:
                self._drop(next(iter(self._held)))

    def take(self, path: Path | str) -> pl.DataFrame | None:
        """The frame in the file at that path; None if it has to be read."""
        name = str(path)
        with self._lock:
            held = self._held.get(name)
            if held is None:
                return None
            try:
                stat = os.stat(name)  # noqa: PTH116 - a million of these
            except OSError:
                return None
            same = (stat.st_size, stat.st_mtime_ns, stat.st_ino) == held.identity
            if not same or held.ctime_ns not in (None, stat.st_ctime_ns):
                self._drop(name)
                return None
            held.ctime_ns = stat.st_ctime_ns
            self._held.move_to_end(name)
            return held.frame.clone()

    def clear(self) -> None:
        """Forget all frames."""
        with self._lock:
            self._held.clear()
            self._nbytes = 0

    def _drop(self, name: str) -> None:
        held = self._held.pop(name, None)
        if held is not None:
            self._nbytes -= held.nbytes


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
