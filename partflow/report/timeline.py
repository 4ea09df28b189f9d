"""Draws where in a run's time its steps ran: a row of cells, each as full as workers were busy.

Knows nothing of tasks or partitions; it is given spans of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_LEVELS = " ▁▂▃▄▅▆▇█"
_TINY = 1e-9
_SEEN = 1e-3


@dataclass(frozen=True, slots=True)
class Axis:
    """The time of a run, from `begin` to `end` in epoch seconds, cut into so many cells."""

    begin: float
    end: float
    cells: int

    @property
    def head(self) -> str:
        """The times at both ends of a row: `0 s        12.3 s`, as wide as the row."""
        right = f"{self.end - self.begin:.1f} s"
        return f"0 s{right:>{max(self.cells - 3, len(right) + 1)}}"

    def row(self, spans: Sequence[tuple[float, float]], most: float) -> str:
        """One cell a part of the time: blank if none of the (begin, seconds) fell there.

        A cell is full where `most` of them went on at once throughout; if that is 0, where any did.
        """
        busy, top = self._busy(spans), len(_LEVELS) - 1
        levels = np.round(busy / max(most, _TINY) * top).clip(0, top).astype(int)
        # The shortest step is to be seen too.
        seen = self._begun(spans) | (busy > _SEEN)
        levels[seen & (levels == 0)] = 1 if most else top
        return "".join(_LEVELS[level] for level in levels)

    def most_at_once(self, spans: Sequence[tuple[float, float]]) -> float:
        """How many of the spans went on at once in the fullest cell, at least 1."""
        return max(1.0, float(self._busy(spans).max(initial=0.0)))

    @property
    def _width(self) -> float:
        return max((self.end - self.begin) / self.cells, _TINY)

    def _busy(self, spans: Sequence[tuple[float, float]]) -> np.ndarray:
        """How many spans went on in each cell, on average; shape (cells,)."""
        edges = self._width * np.arange(self.cells + 1)
        begins, seconds = np.array(spans, np.float64).reshape(-1, 2).T
        # From the run's begin on: sums of epoch seconds would lose what is after the point.
        begins = begins - self.begin
        passed = _passed(begins, edges) - _passed(begins + seconds, edges)
        return np.asarray(np.diff(passed) / self._width)

    def _begun(self, spans: Sequence[tuple[float, float]]) -> np.ndarray:
        """Whether any span began in each cell."""
        begins = np.array([begin for begin, _ in spans], np.float64) - self.begin
        found = np.zeros(self.cells, bool)
        found[np.clip(begins / self._width, 0, self.cells - 1).astype(int)] = True
        return found


def _passed(moments: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """The sum over the moments before each edge of the time from there to the edge."""
    moments = np.sort(moments)
    before = np.searchsorted(moments, edges)
    sums = np.concatenate([[0.0], np.cumsum(moments)])
    return np.asarray(edges * before - sums[before])
