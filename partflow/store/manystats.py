"""Asks for the stats of very many files in several processes, because threads would take turns.

Knows nothing of datasets. If a process cannot be started, or dies, its part is done in this one.
"""

from __future__ import annotations

import marshal
import os
import signal
import sys
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from itertools import accumulate, pairwise
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

import numpy as np

from partflow.process.machine import processors
from partflow.store import stats

if TYPE_CHECKING:
    from numpy.typing import NDArray

WORTH = 50_000
"""The number of files that is worth a process: 0.15 s of stats, for 0.02 s to start it."""
_MOST = 8
_WIDTH = 32


@dataclass(frozen=True, slots=True)
class FileLot:
    """Files below a folder, one for each key; a file's path is `parts` joined by its key."""

    folder: bytes
    parts: tuple[bytes, ...]
    keys: Sequence[bytes]

    def between(self, lo: int, hi: int) -> FileLot:
        """The files from number `lo` up to `hi`, exclusive."""
        if (lo, hi) == (0, len(self.keys)):
            return self
        return FileLot(self.folder, self.parts, self.keys[lo:hi])


def stats_of(files: FileLot) -> NDArray[np.int64]:
    """The stat of each file, shape (n, 4), columns as in `FileIdentity`; -1 for no file."""
    numbers = stats.stats(files.folder, files.parts, files.keys)
    return np.array(numbers, np.int64).reshape(len(files.keys), 4)


def marked(stats: NDArray[np.int64], markers: FileLot) -> NDArray[np.int64]:
    """The stats of files, but -1 for each whose marker is not there."""
    has_marker = stats_of(markers)[:, :1] >= 0
    return np.where(has_marker, stats, -1)


class SideBySide(AbstractContextManager["SideBySide"]):
    """The stats of several lots of files, found by several processes.

    The first part of the files is looked at in this process, when it is asked for; other processes
    begin with the other parts at once. If `processes` is not given, it depends on the number of
    files and of processors. A file whose lot has `markers` counts only if its marker is there.
    """

    def __init__(
        self,
        lots: Mapping[str, FileLot],
        processes: int | None = None,
        markers: Mapping[str, FileLot] | None = None,
    ) -> None:
        self._markers = markers or {}
        edges = [0, *accumulate(len(lot.keys) for lot in lots.values())]
        n = edges[-1]
        if processes is None:
            processes = min(1 + n // WORTH, _MOST, processors())
        self._lots = lots
        self._spans = dict(zip(lots, pairwise(edges), strict=True))
        self._ends = [n * i // processes for i in range(processes + 1)]
        shares = pairwise(self._ends[1:])
        self._others = [_Other(hi - lo, self._share(lo, hi)) for lo, hi in shares]

    def of(self, name: str) -> NDArray[np.int64]:
        """The stats of the files of one lot, as `stats_of` gives them."""
        marker = self._markers.get(name)
        return self._of(name) if marker is None else marked(self._of(name), marker)

    def _of(self, name: str) -> NDArray[np.int64]:
        lo, hi = self._spans[name]
        cuts = [lo, *(end for end in self._ends if lo < end < hi), hi]
        pieces = [self._piece(name, a, b) for a, b in pairwise(cuts)]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def _piece(self, name: str, lo: int, hi: int) -> NDArray[np.int64]:
        """The stats of files `[lo, hi)` of a lot; numbers count through all lots."""
        share = bisect_right(self._ends, lo) - 1
        if 0 < share <= len(self._others):
            rows = self._others[share - 1].between(lo - self._ends[share], hi - self._ends[share])
            if rows is not None:
                return rows
        begin = self._spans[name][0]
        return stats_of(self._lots[name].between(lo - begin, hi - begin))

    def _share(self, lo: int, hi: int) -> list[FileLot]:
        """The files `[lo, hi)`; numbers count through all lots."""
        return [
            self._lots[name].between(max(a, lo) - a, min(b, hi) - a)
            for name, (a, b) in self._spans.items()
            if max(a, lo) < min(b, hi)
        ]

    def __exit__(self, *_: object) -> None:
        """As `close`."""
        self.close()

    def close(self) -> None:
        """End the processes that are still at work."""
        for other in self._others:
            other.close()


class _Other:
    """Another process that finds the stats of `n` files; it may have died, or never started."""

    def __init__(self, n: int, files: Sequence[FileLot]) -> None:
        self._nbytes = n * _WIDTH
        self._pid: int | None = None
        self._answers: IO[bytes] | None = None
        with suppress(
            OSError, ValueError, TypeError
        ):  # The last two if Python's own path is not known.
            self._answers = TemporaryFile()  # noqa: SIM115 - `close` does
            self._pid = _begun(files, self._answers)

    def between(self, lo: int, hi: int) -> NDArray[np.int64] | None:
        """Wait for it, and return the stats of its files `[lo, hi)`; None if it did not succeed."""
        self._await()
        if self._answers is None or os.fstat(self._answers.fileno()).st_size != self._nbytes:
            return None
        content = os.pread(self._answers.fileno(), (hi - lo) * _WIDTH, lo * _WIDTH)
        return np.frombuffer(content, np.int64).reshape(hi - lo, 4)

    def close(self) -> None:
        """End the process, if it is still at work, and drop its answers."""
        if self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._await()
        if self._answers is not None:
            self._answers.close()

    def _await(self) -> None:
        if self._pid is not None:
            with suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._pid = None


def _begun(files: Sequence[FileLot], answers: IO[bytes]) -> int:
    """Start a process that writes the files' stats to `answers`; returns its pid.

    Python is started without its site, which saves most of the time.
    """
    with TemporaryFile() as asked:
        asked.write(marshal.dumps([(f.folder, f.parts, f.keys) for f in files]))
        asked.flush()
        os.lseek(asked.fileno(), 0, os.SEEK_SET)
        return os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", stats.__file__],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, asked.fileno(), 0),
                (os.POSIX_SPAWN_DUP2, answers.fileno(), 1),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
        )
