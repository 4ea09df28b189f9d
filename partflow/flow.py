"""A dataset as its readers see it: prefix sums over what is planned, waits, is blocked; digests.

Knows nothing of why; a question about a range of ordinals is a difference of two sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from partflow.graph import Graph
from partflow.lineage import Condition, DatasetState, Snapshot, elements, prefix, state_over
from partflow.steps import Action, State, TaskPlan
from partflow.tasks import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.steps import Bounds, Codes, Mask


@dataclass(slots=True)
class Flow:
    """One dataset as its readers see it, over `[lo, hi)`; prefix sums count up to each ordinal."""

    lo: int
    content: NDArray[np.uint64]
    there: NDArray[np.uint64]
    planned: NDArray[np.int64]
    waits: NDArray[np.int64]
    blocked: NDArray[np.int64]
    late: NDArray[np.int64]

    @property
    def due_end(self) -> int:
        """One past the last partition that is due, with all that it must read."""
        due = np.flatnonzero(np.diff(self.late) == 0)
        return self.lo + (int(due[-1]) + 1 if len(due) else 0)

    @property
    def hi(self) -> int:
        """One past the last ordinal whose interval has ended."""
        return self.lo + len(self.planned) - 1


def horizon_of(graph: Graph, node: str, now: int) -> int:
    """One past the last ordinal of a node that is due at `now`, within its extent."""
    if node not in graph.datasets:
        task = graph.task(node)
        return graph.task_extents[node].until(task.grain.due(now - _lag(task)))
    lags = [_lag(t) for t in graph.writers(node)]
    extent = graph.dataset_extents[node]
    return extent.until(graph.datasets[node].grain.due(now - min(lags, default=0)))


def task_span(graph: Graph, task: Task, now: int) -> tuple[int, int]:
    """The ordinals of a task whose interval, plus its lag, has ended at `now`."""
    extent = graph.task_extents[task.name]
    return extent.lo, extent.until(task.grain.due(now - _lag(task)))


def source_flow(graph: Graph, snapshot: Snapshot, name: str) -> Flow:
    """A source's flow: what is not there is waited for, what cannot be read blocks."""
    state = _present(graph, snapshot, name)
    none = np.zeros(len(state.condition), np.bool_)
    return _flow(graph, name, state, none, *_unusable(state), none)


def source_states(state: DatasetState) -> Codes:
    """The states of a source's partitions; a file that is gone keeps its last content."""
    found = np.full(len(state.condition), State.FRESH, np.uint8)
    found[state.condition == Condition.ABSENT] = State.WAITING
    found[state.condition == Condition.DAMAGED] = State.BLOCKED
    return found


def _present(graph: Graph, snapshot: Snapshot, name: str) -> DatasetState:
    lo = graph.dataset_extents[name].lo
    return state_over(snapshot.states[name], lo, horizon_of(graph, name, snapshot.now))


def _unusable(state: DatasetState) -> tuple[Mask, Mask]:
    """Where nobody makes a partition: which ones a reader waits for, which ones block it."""
    waits = (state.condition == Condition.ABSENT) | (state.condition == Condition.GONE)
    blocks = (state.condition == Condition.DAMAGED) | (state.condition == Condition.CHANGED)
    return waits, blocks


def _flow(  # noqa: PLR0913, PLR0917 - the columns of one dataset
    graph: Graph,
    name: str,
    state: DatasetState,
    planned: Mask,
    waits: Mask,
    blocked: Mask,
    late: Mask,
) -> Flow:
    grain = graph.datasets[name].grain
    starts = grain.edges(state.lo, state.hi)[:-1]
    parts = elements(starts, state.content)
    absent = (state.condition == Condition.GONE) | (state.condition == Condition.DAMAGED)
    there = np.where(absent[:, None], np.uint64(0), parts) if absent.any() else parts
    content = prefix(parts)
    return Flow(
        state.lo,
        content,
        prefix(there) if absent.any() else content,
        _counts(planned),
        _counts(waits & ~late),
        _counts(blocked & ~late),
        _counts(late),
    )


def flow_of(
    graph: Graph,
    snapshot: Snapshot,
    plans: Mapping[str, TaskPlan],
    late_of: Mapping[str, tuple[int, Mask]],
    name: str,
) -> Flow:
    """The flow of a dataset, from the plans of the writers that have been planned so far.

    `late_of` gives for each of those tasks from which ordinal on which partitions are not due.
    """
    state = _present(graph, snapshot, name)
    n = len(state.condition)
    planned, late = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    waits, blocked = _unusable(state)
    for task in graph.writers(name):
        done = plans.get(task.name)
        if done is None:
            continue
        here, there = _common(state, done.lo, done.hi)
        planned[here] = done.action[there] != Action.NONE
        waits[here] = done.state[there] == State.WAITING
        blocked[here] = done.state[there] == State.BLOCKED
        lo, mask = late_of[task.name]
        extent = graph.task_extents[task.name]
        beyond, _ = _common(state, lo + len(mask), extent.until(state.hi))
        late[beyond] = True  # its lag has not passed
        here, there = _common(state, lo, lo + len(mask))
        late[here] = mask[there]
    return _flow(graph, name, state, planned, waits, blocked, late)


def _common(state: DatasetState, lo: int, hi: int) -> tuple[slice, slice]:
    """What `[lo, hi)` shares with a state, as a slice of the state and as one of `[lo, hi)`."""
    a, b = max(lo, state.lo), min(hi, state.hi)
    b = max(a, b)
    return slice(a - state.lo, b - state.lo), slice(a - lo, b - lo)


def _lag(task: Task) -> int:
    return int(task.options.lag.total_seconds())


def _counts(mask: Mask) -> NDArray[np.int64]:
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(mask, dtype=np.int64)))


def within(sums: NDArray[np.int64], lo: int, bounds: Bounds) -> NDArray[np.int64]:
    """How many of a counted mask lie in each range; ranges are cut to the mask's span."""
    a, b = (np.clip(x - lo, 0, len(sums) - 1) for x in bounds)
    return np.asarray(sums[b] - sums[a])


def digests(sums: NDArray[np.uint64], lo: int, bounds: Bounds) -> NDArray[np.uint64]:
    """The digest of each range, from a flow's sums of elements."""
    a, b = (np.clip(x - lo, 0, len(sums) - 1) for x in bounds)
    return np.asarray(sums[b] - sums[a])
