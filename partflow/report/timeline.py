"""Draws when in a run its steps ran: a row of cells that are fuller the more steps ran at once.

Knows nothing of tasks or partitions: spans of time come in.
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
    """The time of a run, from `begin` to `end` in epoch seconds, divided into `cells` parts."""

    begin: float
    end: float
    cells: int

    @property
    def head(self) -> str:
        """The times at both ends of a row: `0 s        12.3 s`, as wide as the row."""
        right = f"{self.end - self.begin:.1f} s"
        return f"0 s{right:>{max(self.cells - 3, len(right) + 1)}}"

    def row(self, spans: Sequence[tuple[float, float]], most: float) -> str:
        """The row of cells for spans (begin, seconds); a cell in which none ran is blank.

        A cell is full if `most` spans ran at once during all of it. If `most` is 0, it is full if
        any span ran in it.
        """
        busy, top = self._busy(spans), len(_LEVELS) - 1
        levels = np.round(busy / max(most, _TINY) * top).clip(0, top).astype(int)
        # Even the shortest step has to be seen.
        seen = self._begun(spans) | (busy > _SEEN)
        levels[seen & (levels == 0)] = 1 if most else top
        return "".join(_LEVELS[level] for level in levels)

    def most_at_once(self, spans: Sequence[tuple[float, float]]) -> float:
        """How many spans ran at once, on average over the fullest cell; at least 1."""
        return max(1.0, float(self._busy(spans).max(initial=0.0)))

    @property
    def _width(self) -> float:
        return max((self.end - self.begin) / self.cells, _TINY)

    def _busy(self, spans: Sequence[tuple[float, float]]) -> np.ndarray:
        """How many spans ran in each cell, on average over its time; shape (cells,)."""
        edges = self._width * np.arange(self.cells + 1)
        begins, seconds = np.array(spans, np.float64).reshape(-1, 2).T
        # Counted from the run's begin: sums of epoch seconds would lose their fractions.
        begins = begins - self.begin
        passed = _passed(begins, edges) - _passed(begins + seconds, edges)
        return np.asarray(np.diff(passed) / self._width)

    def _begun(self, spans: Sequence[tuple[float, float]]) -> np.ndarray:
        """Whether any span began in each cell."""
        begins = np.array([begin for begin, _ in spans], np.float64) - self.begin
        begun = np.zeros(self.cells, bool)
        begun[np.clip(begins / self._width, 0, self.cells - 1).astype(int)] = True
        return begun


def _passed(moments: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """For each edge the sum, over all earlier moments, of the time from the moment to the edge."""
    moments = np.sort(moments)
    before = np.searchsorted(moments, edges)
    sums = np.concatenate([[0.0], np.cumsum(moments)])
    return np.asarray(edges * before - sums[before])
