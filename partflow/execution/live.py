"""The contents of every dataset while a run goes on, and what a step reads of them. Pure.

Knows nothing of the states of steps. It begins with the snapshot, and is told what is published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from partflow.execution.ready import Step
from partflow.graph import outputs
from partflow.lineage import Condition, elements, lanes, range_digest
from partflow.parameters import ParameterKind
from partflow.plan import Plan, Reason, horizon_of, state_over

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Size:
    """Rows and bytes of what was read or made."""

    rows: int
    nbytes: int


@dataclass(frozen=True, slots=True)
class ReadNow:
    """What a step reads of one dataset at this moment: ordinals, their digest in 16 bytes, size."""

    ordinals: tuple[int, ...]
    digest: bytes
    size: Size


@dataclass(slots=True)
class _Live:
    """A dataset's contents as they are while the run goes on, over the ordinals from `lo` on."""

    lo: int
    starts: NDArray[np.int64]
    parts: NDArray[np.uint64]
    there: NDArray[np.bool_]
    rows: NDArray[np.int64]
    nbytes: NDArray[np.int64]


class LiveContents:
    """All datasets of a plan, as arrays that change with each step that is made."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._live = {name: _live(plan, name) for name in plan.graph.datasets}

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

    def fits(self, first: Step, last: Step, most: int) -> bool:
        """Whether one call can read for a span of steps: up to `most` bytes, the same objects."""
        planned = self._plan.tasks[first.task]
        i, k = sorted((first.ordinal - planned.lo, last.ordinal - planned.lo))
        nbytes = 0
        for one, (a, b) in zip(planned.task.inputs, planned.bounds, strict=True):
            if one.kind is ParameterKind.OBJECT and (a[i] != a[k] or b[i] != b[k]):
                return False
            live = self._live[one.read.dataset.name]
            low, high = _within(live, a[i], b[k])
            nbytes += int(live.nbytes[low:high].sum())
        return nbytes <= most

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
                live.rows[i], live.nbytes[i] = sizes[name].rows, sizes[name].nbytes
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
