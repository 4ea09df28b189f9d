"""The contents of every dataset while a run goes on, and what a step reads of them. Pure.

Knows nothing of the states of steps. It begins with the snapshot, and is told what is published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.graph import outputs
from partflow.declarations.mapping import Form
from partflow.declarations.parameters import ParameterKind
from partflow.execution.readyqueue import Step
from partflow.planning.digests import element, elements, lanes, range_digest
from partflow.planning.planner import Plan, Reason, TaskPlan, horizon_of, state_over
from partflow.planning.snapshot import Condition

if TYPE_CHECKING:
    from numpy.typing import NDArray


WIDTH = 200
"""The bytes of memory that a row is assumed to take, until a frame or a file says better."""
_COLUMN = 8
"""The bytes that the partition column adds to a row in memory; it is not in the file."""
_FEW = 16
"""A batch is worth its overhead if the limit of memory has room for what this many steps add."""


@dataclass(frozen=True, slots=True)
class Size:
    """Rows and bytes of what was read or made, and its bytes in memory; 0: not known."""

    rows: int
    nbytes: int
    memory: int = 0


@dataclass(frozen=True, slots=True)
class ReadNow:
    """What a step reads of one dataset now: ordinals, 16 bytes of digest over them, and size.

    `of` is how many partitions the read is of; some of them may be left out.
    """

    ordinals: tuple[int, ...]
    digest: bytes
    size: Size
    of: int


_FEW_NUMBERS = 64


@dataclass(slots=True)
class _Live:
    """A dataset's contents at this moment of the run: arrays over the n ordinals from `lo` on.

    `parts` has shape (n, 2): the two lanes that a partition adds to a digest. `width` is the
    largest number of bytes that a row is known to take in memory; 0 if none is known. `given_up`
    says which are read as if they were empty; None if none is.
    """

    lo: int
    starts: NDArray[np.int64]
    parts: NDArray[np.uint64]
    there: NDArray[np.bool_]
    rows: NDArray[np.int64]
    nbytes: NDArray[np.int64]
    width: float = 0.0
    given_up: NDArray[np.bool_] | None = None

    def memory(self, low: int, high: int) -> float:
        """About how many bytes the frames of these partitions take in memory."""
        rows, nbytes = _sum(self.rows[low:high]), _sum(self.nbytes[low:high])
        if not self.width:
            return rows * WIDTH + nbytes
        return max(rows * (self.width + _COLUMN), nbytes)


class LiveContents:
    """All datasets of a plan, as arrays that change with each step that is made.

    `widths` gives the bytes of memory that a row takes, by dataset, as far as that is known.
    """

    def __init__(self, plan: Plan, widths: Mapping[str, float] | None = None) -> None:
        self._plan = plan
        self._live = {name: _live(plan, name) for name in plan.graph.datasets}
        for name, width in (widths or {}).items():
            self._live[name].width = width

    def reads(self, step: Step) -> tuple[ReadNow, ...]:
        """What a step reads now, in the order of its task's reads.

        Of a read that does without them the partitions that are not there are left out; those that
        were given up are of every read. Of one up to a bound only the newest is read.
        """
        planned = self._plan.tasks[step.task]
        i = step.ordinal - planned.lo
        reads_now = []
        for task_input, (a, b) in zip(planned.task.inputs, planned.bounds, strict=True):
            live = self._live[task_input.read.dataset.name]
            low, high = _within(live, a[i], b[i])
            rows, nbytes = live.rows[low:high], live.nbytes[low:high]
            parts = live.parts[low:high]
            numbers: Sequence[int] = range(low + live.lo, high + live.lo)
            if task_input.read.does_without or live.given_up is not None:
                mask = live.there[low:high]
                if not task_input.read.does_without and live.given_up is not None:
                    mask = ~live.given_up[low:high]
                if task_input.read.form is Form.WITHIN:
                    mask = _last_of(mask)
                numbers = (np.flatnonzero(mask) + low + live.lo).tolist()
                parts, rows, nbytes = parts[mask], rows[mask], nbytes[mask]
            size = Size(_sum(rows), _sum(nbytes))
            digest, of = range_digest(parts).tobytes(), int(b[i] - a[i])
            reads_now.append(ReadNow(tuple(numbers), digest, size, of))
        return tuple(reads_now)

    def fits(self, batch: Sequence[Step], step: Step, most: int) -> bool:
        """Whether a batch may take in one more step.

        The step must read the same objects as the batch, and the frames of all must take at most
        `most` bytes of memory together. A step that adds much to the frames would gain little from
        a batch, so it gets a call of its own; unless that call would read at least as much again as
        the step adds, as with a window.
        """
        planned = self._plan.tasks[step.task]
        first, before, last = (each.ordinal - planned.lo for each in (batch[0], batch[-1], step))
        for task_input, (a, b) in zip(planned.task.inputs, planned.bounds, strict=True):
            if task_input.kind is ParameterKind.OBJECT and (
                a[first] != a[last] or b[first] != b[last]
            ):
                return False
        read = self._memory(planned, first, last)
        added = read - self._memory(planned, first, before)
        again = self._memory(planned, last, last) - added
        return read <= most and (added * _FEW <= most or again >= added)

    def _memory(self, planned: TaskPlan, first: int, last: int) -> float:
        """About how many bytes of memory the frames take that a call for these steps reads."""
        i, k = sorted((first, last))
        nbytes = 0.0
        for task_input, (a, b) in zip(planned.task.inputs, planned.bounds, strict=True):
            live = self._live[task_input.read.dataset.name]
            nbytes += live.memory(*_within(live, a[i], b[k]))
        return nbytes

    def is_lost(self, name: str, ordinal: int) -> bool:
        """Whether a partition has a recorded content, but its file is gone or unreadable."""
        live = self._live[name]
        i = ordinal - live.lo
        return 0 <= i < len(live.there) and bool(live.parts[i].any() and not live.there[i])

    def there(self, name: str, bounds: tuple[int, int]) -> NDArray[np.bool_]:
        """Which partitions of a dataset in a range are there now."""
        live = self._live[name]
        low, high = _within(live, *bounds)
        mask = np.zeros(max(bounds[1] - bounds[0], 0), np.bool_)
        mask[low + live.lo - bounds[0] : high + live.lo - bounds[0]] = live.there[low:high]
        return mask

    def is_fresh(self, step: Step) -> bool:
        """Whether a step that was planned because an input might change is fresh after all."""
        planned = self._plan.tasks[step.task]
        i = step.ordinal - planned.lo
        if planned.need[i] not in (Reason.NONE, Reason.INPUT):
            return False
        unchanged_digests = self._digests(step)
        for node in outputs(planned.task):
            state = self._plan.snapshot.states[node]
            k = step.ordinal - state.lo
            if state.reads[k] != len(unchanged_digests):
                return False
            if any(
                state.inputs[k, p].tobytes() not in unchanged
                for p, unchanged in enumerate(unchanged_digests)
            ):
                return False
        return True

    def _digests(self, step: Step) -> list[set[bytes]]:
        """For each read the digests with which it counts as unchanged, as in planning.

        There are two where they differ: with the partitions that are lost, at their last content;
        and, if the read is optional, without those that are not there.
        """
        planned = self._plan.tasks[step.task]
        i = step.ordinal - planned.lo
        digests = []
        reads = self.reads(step)
        for task_input, (a, b), read in zip(
            planned.task.inputs, planned.bounds, reads, strict=True
        ):
            live = self._live[task_input.read.dataset.name]
            low, high = _within(live, a[i], b[i])
            with_lost = range_digest(live.parts[low:high]).tobytes()
            is_one = task_input.read.form is Form.WITHIN
            digests.append({read.digest} if is_one else {read.digest, with_lost})
        return digests

    def put(self, step: Step, contents: Mapping[str, str], sizes: Mapping[str, Size]) -> None:
        """Take in what a step published: content fingerprints and sizes, by dataset."""
        for name, content in contents.items():
            live = self._live[name]
            i = step.ordinal - live.lo
            if name in sizes:
                size = sizes[name]
                live.rows[i], live.nbytes[i] = size.rows, size.nbytes
                if size.memory and size.rows:
                    live.width = max(live.width, size.memory / size.rows)
            live.parts[i, 0], live.parts[i, 1] = element(int(live.starts[i]), lanes(content))
            live.there[i] = True


def _live(plan: Plan, name: str) -> _Live:
    lo = plan.graph.dataset_extents[name].lo
    state = state_over(
        plan.snapshot.states[name], lo, horizon_of(plan.graph, name, plan.snapshot.now)
    )
    starts = plan.graph.datasets[name].grain.edges(state.lo, state.hi)[:-1]
    there = (state.condition == Condition.GOOD) | (state.condition == Condition.CHANGED)
    rows, nbytes = state.rows.copy(), state.nbytes.copy()
    given_up = state.condition == Condition.GIVEN_UP
    return _Live(
        lo, starts, elements(starts, state.content), there, rows, nbytes,
        given_up=given_up if given_up.any() else None,
    )  # fmt: skip


def _last_of(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask with only the last of what it holds."""
    last = np.zeros(len(mask), np.bool_)
    last[np.flatnonzero(mask)[-1:]] = True
    return last


def _within(live: _Live, first: int, last: int) -> tuple[int, int]:
    """A range of ordinals as a range of positions in the live arrays, clipped to their length."""
    n = len(live.there)
    return min(max(int(first) - live.lo, 0), n), min(max(int(last) - live.lo, 0), n)


def _sum(numbers: NDArray[np.int64]) -> int:
    """Their sum; of a few Python's own is faster."""
    return sum(numbers.tolist()) if len(numbers) <= _FEW_NUMBERS else int(numbers.sum())
