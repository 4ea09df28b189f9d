"""The steps of a run that are ready, in the order in which they are to be taken. Pure.

Knows nothing of why a step is ready. Higher priorities come first, then earlier times, then what is
upstream. Where tasks make batches, times are compared by blocks, each as long as the longest batch:
otherwise a task would be given its first partition before its second one could join the batch.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.task import Task
from partflow.planning.planner import Plan, TaskPlan

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST = 366
"""The largest number of partitions in one call of a task that says `batch=True`."""


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """A task at one partition."""

    task: str
    ordinal: int


@dataclass(slots=True)
class _Line:
    """Steps of one task that were offered together; only the one at `at` is in the heap."""

    ordinals: NDArray[np.int64]
    at: int = 0


Rank = tuple[int, int, int, int]
_Entry = tuple[Rank, int, Step, _Line | None]
_Pool = tuple[str, str]


class ReadyQueue:
    """Ready steps by rank; those whose pool is full are parked until a call in that pool ends.

    `pools` gives the number of places by name; a pool that is not among them has no limit. A pool
    can be bounded further for a while, because other runs have some of its places. Each effect has
    a pool of its own with one place, so that it is at one partition at a time. With `newest_first`
    later times come first. Steps that are offered together cost an integer each, not an object.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        newest_first: bool = False,
        pools: Mapping[str, int] | None = None,
        batch_size: int | None = None,
    ) -> None:
        self.sign = -1 if newest_first else 1
        self._pools = {n: _pools_of(t.task) for n, t in plan.tasks.items()}
        self._places = dict(pools or {})
        self._free: dict[_Pool, int] = {("pool", name): n for name, n in self._places.items()}
        self._free |= {("effect", n): 1 for n, t in plan.tasks.items() if t.task.is_effect}
        self._order = {name: i for i, name in enumerate(plan.tasks)}
        self._priority = _priorities(plan)
        self._starts = {n: t.task.grain.edges(t.lo, t.hi)[:-1] for n, t in plan.tasks.items()}
        self._lo = {n: t.lo for n, t in plan.tasks.items()}
        self.limits = {n: batch_limit(t.task, batch_size) for n, t in plan.tasks.items()}
        spans = [_span(t, self.limits[n]) for n, t in plan.tasks.items()]
        self._block = max((length for length, _ in spans), default=1)
        self._since = min((since for length, since in spans if length > 1), default=0)
        self._heap: list[_Entry] = []
        self._parked: dict[_Pool, list[_Entry]] = {}
        self._bounds: dict[_Pool, int] = {}
        self._number = count()

    def offer(self, step: Step) -> None:
        """Add a step that has become ready."""
        heapq.heappush(self._heap, (self._rank(step), next(self._number), step, None))

    def offer_all(self, task: str, ordinals: NDArray[np.int64]) -> None:
        """Add steps of one task that are ready; `ordinals` are ascending."""
        if len(ordinals):
            self._push(task, _Line(ordinals[:: self.sign]))

    def take(self) -> Step | None:
        """The next step whose pools have room; None if there is none.

        The queue does not know which steps went with a batch: the caller passes over those.
        """
        while self._heap:
            entry = heapq.heappop(self._heap)
            _, _, step, line = entry
            full = next(filter(self._is_full, self._pools[step.task]), None)
            if full is not None:
                self._parked.setdefault(full, []).append(entry)
                continue
            if line is not None:
                line.at += 1
                self._push(step.task, line)
            return step
        return None

    def begun(self, task: str) -> None:
        """Take a place in the pools of a task for a call that begins."""
        for pool in self._pools[task]:
            if pool in self._free:
                self._free[pool] -= 1

    def ended(self, task: str) -> None:
        """Give back the places of a call that has ended; steps parked for them can be taken."""
        for pool in self._pools[task]:
            if pool in self._free:
                self._free[pool] += 1
                self._unpark(pool)

    def under_way(self, pool: str) -> int:
        """How many calls are under way in a pool, by its name; 0 if it has no limit."""
        return self._places.get(pool, 0) - self._free.get(("pool", pool), 0)

    def bound(self, pool: str) -> None:
        """Have no more calls under way in a pool than now, until `unbound`."""
        self._bounds["pool", pool] = self.under_way(pool)

    def unbound(self) -> None:
        """Have as many calls under way in every pool again as its limit allows."""
        for pool in self._bounds:
            self._unpark(pool)
        self._bounds.clear()

    def clear(self) -> None:
        """Drop all steps."""
        self._heap.clear()
        self._parked.clear()

    def block(self, step: Step) -> int:
        """The number of the block of time in which a step begins; a batch lies in one block."""
        begins = int(self._starts[step.task][step.ordinal - self._lo[step.task]])
        return (begins - self._since) // self._block

    def _is_full(self, pool: _Pool) -> bool:
        if pool in self._bounds and self.under_way(pool[1]) >= self._bounds[pool]:
            return True
        return self._free.get(pool, 1) < 1

    def _unpark(self, pool: _Pool) -> None:
        for entry in self._parked.pop(pool, []):
            heapq.heappush(self._heap, entry)

    def _push(self, task: str, line: _Line) -> None:
        if line.at < len(line.ordinals):
            step = Step(task, int(line.ordinals[line.at]))
            heapq.heappush(self._heap, (self._rank(step), next(self._number), step, line))

    def _rank(self, step: Step) -> Rank:
        return (
            -self._priority[step.task],
            self.sign * self.block(step),
            self._order[step.task],
            self.sign * step.ordinal,
        )


def _pools_of(task: Task) -> tuple[_Pool, ...]:
    """The pools in which a call of a task takes a place."""
    own: list[_Pool] = [("effect", task.name)] if task.is_effect else []
    pool = task.options.pool
    return tuple(own if pool is None else [("pool", pool), *own])


def batch_limit(task: Task, batch_size: int | None) -> int:
    """How many partitions one call of a task may make; `batch_size` is the limit of the run."""
    declared = task.options.batch
    if not declared:
        return 1
    most = MOST if declared is True else int(declared)
    if batch_size is None:
        return most
    return batch_size if declared is True else min(most, batch_size)


def _span(planned: TaskPlan, limit: int) -> tuple[int, int]:
    """How many seconds a task's longest batch covers, and when its first step begins, in seconds.

    It is counted from the first step, so that the first batch can be a whole one. A task without
    batches has (1, 0).
    """
    steps = np.flatnonzero(planned.action)
    n = min(limit, len(planned.state))
    if n <= 1 or not len(steps):
        return 1, 0
    first = planned.lo + int(steps[0])
    edges = planned.task.grain.edges(first, first + n)
    return int(edges[-1] - edges[0]), int(edges[0])


def _priorities(plan: Plan) -> dict[str, int]:
    """Each task's priority: the highest of its own and those of all tasks downstream."""
    priorities = {n: t.task.options.priority for n, t in plan.tasks.items()}
    for name in reversed(list(plan.tasks)):
        for dataset in plan.tasks[name].task.writes:
            readers = [t.name for t, _ in plan.graph.readers(dataset.name) if t.name != name]
            priorities[name] = max([priorities[name], *(priorities[r] for r in readers)])
    return priorities
