"""The contents of every dataset while a run goes on, and what a step reads of them. Pure.

Knows nothing of the states of steps. It begins with the snapshot, and is told what is published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.graph import outputs
from partflow.declarations.parameters import ParameterKind
from partflow.execution.readyqueue import Step
from partflow.planning.digests import elements, lanes, range_digest
from partflow.planning.planner import Plan, Reason, TaskPlan, horizon_of, state_over
from partflow.planning.snapshot import Condition

if TYPE_CHECKING:
    from numpy.typing import NDArray


WIDTH = 200
"""So many bytes of memory a row is taken to have, until something tells."""
_COLUMN = 8
"""So many bytes the partition column adds to a row, which does not stand in the file."""
_FEW = 16
"""A batch is worth its price if so many of its steps' reads have room in it."""


@dataclass(frozen=True, slots=True)
class Size:
    """Rows and bytes of what was read or made, and its bytes in memory; 0: not known."""

    rows: int
    nbytes: int
    memory: int = 0


@dataclass(frozen=True, slots=True)
class ReadNow:
    """What a step reads of one dataset at this moment: ordinals, their digest in 16 bytes, size."""

    ordinals: tuple[int, ...]
    digest: bytes
    size: Size


@dataclass(slots=True)
class _Live:
    """A dataset's contents as they are while the run goes on, over the ordinals from `lo` on.

    `width` is the largest known number of bytes that a row takes in memory; 0: none is known.
    """

    lo: int
    starts: NDArray[np.int64]
    parts: NDArray[np.uint64]
    there: NDArray[np.bool_]
    rows: NDArray[np.int64]
    nbytes: NDArray[np.int64]
    width: float = 0.0

    def memory(self, low: int, high: int) -> float:
        """About how many bytes the frames of these partitions take in memory."""
        rows, nbytes = int(self.rows[low:high].sum()), int(self.nbytes[low:high].sum())
        if not self.width:
            return rows * WIDTH + nbytes
        return max(rows * (self.width + _COLUMN), nbytes)


class LiveContents:
    """All datasets of a plan, as arrays that change with each step that is made.

    `widths` are by dataset the bytes of memory that a row takes, as far as that is known.
    """

    def __init__(self, plan: Plan, widths: Mapping[str, float] | None = None) -> None:
        self._plan = plan
        self._live = {name: _live(plan, name) for name in plan.graph.datasets}
        for name, width in (widths or {}).items():
            self._live[name].width = width

    def reads(self, step: Step) -> tuple[ReadNow, ...]:
        """What a step reads now, for each of its task's reads; optional ones without the absent."""
        planned = self._plan.tasks[step.task]
        i = step.ordinal - planned.lo
        found = []
        for one, (a, b) in zip(planned.task.inputs, planned.bounds, strict=True):
            live = self._live[one.read.dataset.name]
            low, high = _within(live, a[i], b[i])
            rows, nbytes = live.rows[low:high], live.nbytes[low:high]
            parts = live.parts[low:high]
            numbers: Sequence[int] = range(low + live.lo, high + live.lo)
            if one.read.is_optional:
                mask = live.there[low:high]
                numbers = (np.flatnonzero(mask) + low + live.lo).tolist()
                parts, rows, nbytes = parts[mask], rows[mask], nbytes[mask]
            size = Size(int(rows.sum()), int(nbytes.sum()))
            found.append(ReadNow(tuple(numbers), range_digest(parts).tobytes(), size))
        return tuple(found)

    def fits(self, batch: Sequence[Step], step: Step, most: int) -> bool:
        """Whether a batch may have one more step: the same objects, frames of up to `most` bytes.

        Where a step adds much to what is read, a call by itself costs no more: it is left alone,
        unless it would read again as much as it adds, as a window does.
        """
        planned = self._plan.tasks[step.task]
        first, before, last = (each.ordinal - planned.lo for each in (batch[0], batch[-1], step))
        for one, (a, b) in zip(planned.task.inputs, planned.bounds, strict=True):
            if one.kind is ParameterKind.OBJECT and (a[first] != a[last] or b[first] != b[last]):
                return False
        read = self._memory(planned, first, last)
        added = read - self._memory(planned, first, before)
        again = self._memory(planned, last, last) - added
        return read <= most and (added * _FEW <= most or again >= added)

    def _memory(self, planned: TaskPlan, first: int, last: int) -> float:
        """About how many bytes the frames take that one call reads for a span of steps."""
        i, k = sorted((first, last))
        found = 0.0
        for one, (a, b) in zip(planned.task.inputs, planned.bounds, strict=True):
            live = self._live[one.read.dataset.name]
            found += live.memory(*_within(live, a[i], b[k]))
        return found

    def is_lost(self, name: str, ordinal: int) -> bool:
        """Whether a partition had a content, and its file is gone or cannot be read."""
        live = self._live[name]
        i = ordinal - live.lo
        return 0 <= i < len(live.there) and bool(live.parts[i].any() and not live.there[i])

    def is_fresh(self, step: Step) -> bool:
        """Whether a step that an input might have made stale is, after all, fresh."""
        planned = self._plan.tasks[step.task]
        i = step.ordinal - planned.lo
        if planned.need[i] not in (Reason.NONE, Reason.INPUT):
            return False
        now = self._digests(step)
        for node in outputs(planned.task):
            state = self._plan.snapshot.states[node]
            k = step.ordinal - state.lo
            if state.reads[k] != len(now):
                return False
            if any(state.inputs[k, p].tobytes() not in found for p, found in enumerate(now)):
                return False
        return True

    def _digests(self, step: Step) -> list[set[bytes]]:
        """The digests of each read at which it has not changed, as the plan has them too.

        What is gone counts with the content that it had; an optional read may have been without.
        """
        planned = self._plan.tasks[step.task]
        i = step.ordinal - planned.lo
        found = []
        reads = self.reads(step)
        for one, (a, b), read in zip(planned.task.inputs, planned.bounds, reads, strict=True):
            live = self._live[one.read.dataset.name]
            low, high = _within(live, a[i], b[i])
            found.append({read.digest, range_digest(live.parts[low:high]).tobytes()})
        return found

    def put(self, step: Step, contents: Mapping[str, str], sizes: Mapping[str, Size]) -> None:
        """A step's outputs are published, with these content fingerprints by dataset."""
        for name, content in contents.items():
            live = self._live[name]
            i = step.ordinal - live.lo
            if name in sizes:
                size = sizes[name]
                live.rows[i], live.nbytes[i] = size.rows, size.nbytes
                if size.memory and size.rows:
                    live.width = max(live.width, size.memory / size.rows)
            numbers = np.array([lanes(content)], np.uint64)
            live.parts[i] = elements(live.starts[i : i + 1], numbers)[0]
            live.there[i] = True


def _live(plan: Plan, name: str) -> _Live:
    lo = plan.graph.dataset_extents[name].lo
    state = state_over(
        plan.snapshot.states[name], lo, horizon_of(plan.graph, name, plan.snapshot.now)
    )
    starts = plan.graph.datasets[name].grain.edges(state.lo, state.hi)[:-1]
    there = (state.condition == Condition.GOOD) | (state.condition == Condition.CHANGED)
    rows, nbytes = state.rows.copy(), state.nbytes.copy()
    return _Live(lo, starts, elements(starts, state.content), there, rows, nbytes)


def _within(live: _Live, first: int, last: int) -> tuple[int, int]:
    """A range of ordinals as places in the live arrays, cut to what they hold."""
    n = len(live.there)
    return min(max(int(first) - live.lo, 0), n), min(max(int(last) - live.lo, 0), n)
