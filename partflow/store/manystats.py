"""Asks for the stats of very many files in several processes: threads of one would take turns.

Knows nothing of datasets. A process that cannot be started, or that dies, is no error: what it was
to find is found here then.
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
"""So many files are worth a process: their stats take 0.15 s, and to start it 0.02 s."""
_MOST = 8
_WIDTH = 32


@dataclass(frozen=True, slots=True)
class Files:
    """Files below a folder, one a key: the path of each is the `parts`, joined by the key."""

    folder: bytes
    parts: tuple[bytes, ...]
    keys: Sequence[bytes]

    def between(self, lo: int, hi: int) -> Files:
        """Some of the files, by number."""
        if (lo, hi) == (0, len(self.keys)):
            return self
        return Files(self.folder, self.parts, self.keys[lo:hi])


def stats_of(files: Files) -> NDArray[np.int64]:
    """What stat says of each file, shape (n, 4) as `FileIdentity`; -1: no file."""
    found = stats.stats(files.folder, files.parts, files.keys)
    return np.array(found, np.int64).reshape(len(files.keys), 4)


class SideBySide(AbstractContextManager["SideBySide"]):
    """The stats of many lots of files; the first are found here, when they are asked for.

    The others are found in other processes, which begin at once: as many in all as are worth it
    and there are processors for, if their number is not given.
    """

    def __init__(self, lots: Mapping[str, Files], processes: int | None = None) -> None:
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
        """What stat says of the files of one lot, as `stats_of`."""
        lo, hi = self._spans[name]
        cuts = [lo, *(end for end in self._ends if lo < end < hi), hi]
        found = [self._piece(name, a, b) for a, b in pairwise(cuts)]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _piece(self, name: str, lo: int, hi: int) -> NDArray[np.int64]:
        """What stat says of the files `[lo, hi)` of a lot, all lots counted through."""
        share = bisect_right(self._ends, lo) - 1
        if 0 < share <= len(self._others):
            found = self._others[share - 1].between(lo - self._ends[share], hi - self._ends[share])
            if found is not None:
                return found
        begin = self._spans[name][0]
        return stats_of(self._lots[name].between(lo - begin, hi - begin))

    def _share(self, lo: int, hi: int) -> list[Files]:
        """The files `[lo, hi)`, all lots counted through."""
        return [
            self._lots[name].between(max(a, lo) - a, min(b, hi) - a)
            for name, (a, b) in self._spans.items()
            if max(a, lo) < min(b, hi)
        ]

    def __exit__(self, *_: object) -> None:
        """End those that are still at it."""
        for other in self._others:
            other.close()


class _Other:
    """Another process that finds the stats of `n` files, or has died or was never there."""

    def __init__(self, n: int, files: Sequence[Files]) -> None:
        self._nbytes = n * _WIDTH
        self._pid: int | None = None
        self._said: IO[bytes] | None = None
        with suppress(
            OSError, ValueError, TypeError
        ):  # two of them: Python's own path is not known
            self._said = TemporaryFile()  # noqa: SIM115 - `close` does
            self._pid = _begun(files, self._said)

    def between(self, lo: int, hi: int) -> NDArray[np.int64] | None:
        """What it found of its files `[lo, hi)`, once it is done; None if it did not find all."""
        self._await()
        if self._said is None or os.fstat(self._said.fileno()).st_size != self._nbytes:
            return None
        found = os.pread(self._said.fileno(), (hi - lo) * _WIDTH, lo * _WIDTH)
        return np.frombuffer(found, np.int64).reshape(hi - lo, 4)

    def close(self) -> None:
        """End it, if it is not done."""
        if self._pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._await()
        if self._said is not None:
            self._said.close()

    def _await(self) -> None:
        if self._pid is not None:
            with suppress(ChildProcessError):
                os.waitpid(self._pid, 0)
            self._pid = None


def _begun(files: Sequence[Files], said: IO[bytes]) -> int:
    """The number of a process that writes the files' stats to `said`: bare, it starts at once."""
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
                (os.POSIX_SPAWN_DUP2, said.fileno(), 1),
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
            ],
        )
