"""Keeps frames that this process made or read for their next readers, within a budget of bytes.

Knows nothing of datasets or tasks. A reader gets a frame only if it would read the file in the same
way, and if the file at that path is still the one that the frame belongs to. So the frame never
differs from what reading the file would give. Each reader gets a copy, and may write into it.
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
"""How many bytes the frames of one process may take together."""
SMALL = 2**20
"""A file of up to this many bytes is read whole and kept; of a larger one only what is needed."""

Identity = tuple[int, int, int]


class AsRead(NamedTuple):
    """A path, and the way in which its file is read: see `way_of` in `formats/known.py`.

    The partition column is no part of the way, because it is not in the file.
    """

    path: str
    way: Hashable


@dataclass(slots=True)
class _Held:
    """A frame, and the size, time of modification and inode of its file.

    `ctime_ns` is the file's ctime when it was first seen in place, because renaming changes it;
    None until then.
    """

    frame: Packed
    identity: Identity
    ctime_ns: int | None = None


class HandOver:
    """The frames of one process; the least recently used is dropped first. Threads may share it.

    Requires: every edit of a file shows in its stat. `Store.seal` backdates files to ensure it; a
    frame of another file may be kept only if the file is older than one step of the clock.
    """

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._held: OrderedDict[AsRead, _Held] = OrderedDict()
        self._nbytes = 0
        self._lock = threading.Lock()

    def wants(self, frame: pl.DataFrame) -> bool:
        """Whether a frame would be kept: it is small enough, and its types survive Parquet."""
        return self._has_room(int(frame.estimated_size())) and _round_trips(tuple(frame.dtypes))

    def keep(
        self, file: AsRead, identity: Identity, frame: Packed, ctime_ns: int | None = None
    ) -> None:
        """Keep the frame of the file with that identity.

        The file is at the path already, or will be renamed to it. `ctime_ns` is given if it is in
        place. Requires: `wants(frame)`.
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
        """A copy of the file's frame; None if the file has to be read."""
        with self._lock:
            held = self._held.get(file)
            if held is None:
                return None
            try:
                stat = os.stat(file.path)  # noqa: PTH116 - a million of these
            except OSError:
                return None
            is_same_file = (stat.st_size, stat.st_mtime_ns, stat.st_ino) == held.identity
            if not is_same_file or held.ctime_ns not in (None, stat.st_ctime_ns):
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
    """Size, time of modification and inode of a file, which renaming does not change.

    Raises OSError if there is no such file.
    """
    stat = os.stat(path)  # noqa: PTH116
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _round_trips(dtypes: tuple[pl.DataType, ...]) -> bool:
    return all(type(each).__name__ in SIMPLE or round_trips(each) for each in dtypes)


def round_trips(dtype: pl.DataType) -> bool:
    """Whether a column of this type comes back from Parquet exactly as it was.

    Categoricals may get other codes. Enums, nulls and arrays are left out, too.
    """
    import polars as pl

    if isinstance(dtype, pl.List):
        return round_trips(dtype.inner)  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct):
        return bool(dtype.fields) and all(round_trips(f.dtype) for f in dtype.fields)  # type: ignore[arg-type]
    return type(dtype).__name__ in {*SIMPLE, "Datetime", "Duration", "Decimal"}
