"""A dataset as its readers see it: prefix sums of what is planned, waits or is blocked; digests.

Knows nothing of the reasons. A question about a range of ordinals is a difference of two prefix
sums. What is true of no partition has None in place of sums, and costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.graph import Graph
from partflow.declarations.mapping import Form
from partflow.declarations.task import Task
from partflow.partitions.calendar import Grain, Whole
from partflow.planning.digests import prefix, salted, salts
from partflow.planning.partial import from_newest
from partflow.planning.plan import CLOCK_SLACK, Action, State, TaskPlan
from partflow.planning.snapshot import Condition, DatasetState, Snapshot, state_over

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.declarations.dataset import Read
    from partflow.planning.plan import Bounds, Codes, Mask

    Sums = NDArray[np.int64]
    """How many partitions of a mask come before each ordinal: n + 1 numbers."""


@dataclass(slots=True)
class Flow:
    """One dataset as its readers see it, over `n` ordinals from `lo` on.

    `parts` are the elements whose sums are digests, shape (n, 2); in `there` they are zero where
    the file is gone or cannot be read. The other fields are prefix sums, n + 1 numbers each, or
    None for what is true of no partition: `planned` counts steps; `waits`, `blocked` and `late`
    count what a reader cannot have, or not yet. `away` and `broken` count those of the waiting and
    of the blocked that optional reads cannot do without either, since their file was there, or
    since they lie behind a fault. `faults` counts what lies behind a source's file that cannot be
    read. `spoilt` and `spoilt_faults` count of the broken and of the faults those that were there.
    `given_up` counts what does not come, and is read as if it were empty.
    """

    lo: int
    n: int
    parts: NDArray[np.uint64]
    there: NDArray[np.uint64]
    planned: Sums | None = None
    waits: Sums | None = None
    blocked: Sums | None = None
    late: Sums | None = None
    away: Sums | None = None
    broken: Sums | None = None
    faults: Sums | None = None
    spoilt: Sums | None = None
    spoilt_faults: Sums | None = None
    given_up: Sums | None = None
    _sums: NDArray[np.uint64] | None = None

    @property
    def due_end(self) -> int:
        """One past the last partition that is due; `lo` if none is."""
        if self.late is None:
            return self.hi
        due = np.flatnonzero(np.diff(self.late) == 0)
        return self.lo + (int(due[-1]) + 1 if len(due) else 0)

    @property
    def hi(self) -> int:
        """One past the last ordinal; the intervals of all of them have ended."""
        return self.lo + self.n

    @property
    def known(self) -> Mask:
        """Which partitions have a content: they are there, or were."""
        return np.asarray((self.parts[:, 0] | self.parts[:, 1]) != 0)

    @property
    def hoped(self) -> Sums:
        """How many partitions have a content or are planned, as sums."""
        known = self.known
        return counts(known if self.planned is None else known | (np.diff(self.planned) > 0))

    @property
    def is_quiet(self) -> bool:
        """Whether no partition is planned, waits, is blocked or is late."""
        return self.planned is self.waits is self.blocked is self.late is None

    @property
    def sums(self) -> NDArray[np.uint64]:
        """The prefix sums of `parts`, shape (n + 1, 2), computed when a window first needs them."""
        if self._sums is None:
            self._sums = prefix(self.parts)
        return self._sums


@dataclass(frozen=True, slots=True)
class Ranges:
    """The range `[a, b)` that each partition reads; neither array ever decreases.

    If each range is one ordinal, and the next range is the next ordinal, `first` is the first of
    them; else it is None.
    """

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    first: int | None

    @staticmethod
    def of(a: NDArray[np.int64], b: NDArray[np.int64]) -> Ranges:
        """The ranges with these ends."""
        single = len(a) > 0 and int(a[-1] - a[0]) == len(a) - 1 and bool((b - a == 1).all())
        steady = single and bool((np.diff(a) == 1).all())
        return Ranges(a, b, int(a[0]) if steady else None)

    def cut(self, part: slice) -> Ranges:
        """The ranges of a slice of the partitions."""
        if part == slice(0, len(self.a)):
            return self
        return Ranges.of(self.a[part], self.b[part])

    def hits(self, sums: Sums | None, lo: int) -> Mask | None:
        """Which ranges hold a partition that `sums` counts; None without sums.

        The sums begin at the ordinal `lo`.
        """
        if sums is None:
            return None
        a, b = (np.take(sums, x - lo, mode="clip") for x in (self.a, self.b))
        return np.asarray(b > a)

    def counted(self, sums: Sums, lo: int) -> NDArray[np.int64]:
        """How many partitions that `sums` counts each range holds; as of `hits`."""
        a, b = (np.take(sums, x - lo, mode="clip") for x in (self.a, self.b))
        return np.asarray(np.maximum(b - a, 0))

    def digests(self, flow: Flow) -> NDArray[np.uint64]:
        """The digest of each range, shape (n, 2)."""
        if self.first is not None:
            at = self.first - flow.lo
            if at >= 0 and at + len(self.a) <= flow.n:
                return flow.parts[at : at + len(self.a)]
        return _differences(flow.sums, (self.a - flow.lo, self.b - flow.lo))

    def digests_there(self, flow: Flow) -> NDArray[np.uint64]:
        """The same, as if what is gone or cannot be read had never been there."""
        if flow.there is flow.parts:
            return self.digests(flow)
        return _differences(prefix(flow.there), (self.a - flow.lo, self.b - flow.lo))


def _differences(sums: NDArray[np.uint64], bounds: Bounds) -> NDArray[np.uint64]:
    low, high = (np.take(sums, x, axis=0, mode="clip") for x in bounds)
    high -= low
    return np.asarray(high)


def horizon_of(graph: Graph, node: str, now: int) -> int:
    """One past the last ordinal of a node whose interval, plus its lag, has ended at `now`.

    It lies within the node's extent. If several tasks write a dataset, the shortest lag counts.
    """
    if node not in graph.datasets:
        task = graph.task(node)
        return graph.task_extents[node].until(_due(task.grain, now - _lag(task)))
    lags = [_lag(t) for t in graph.writers(node)]
    extent = graph.dataset_extents[node]
    return extent.until(_due(graph.datasets[node].grain, now - min(lags, default=0)))


@lru_cache(maxsize=256)
def _due(grain: Grain, moment: int) -> int:
    """As `Grain.due`, and kept: a hundred datasets of one grain ask the same."""
    return grain.due(moment)


def task_span(graph: Graph, task: Task, now: int) -> tuple[int, int]:
    """The ordinals `[lo, hi)` of a task whose intervals, plus its lag, have ended at `now`."""
    extent = graph.task_extents[task.name]
    return extent.lo, extent.until(_due(task.grain, now - _lag(task)))


def is_ahead(task: Task, ordinal: int, now: int) -> bool:
    """Whether a partition's interval plus lag ends more than CLOCK_SLACK seconds after `now`."""
    if isinstance(task.grain, Whole):
        return False
    return task.grain.interval(ordinal).end + _lag(task) > now + CLOCK_SLACK


def source_states(state: DatasetState) -> Codes:
    """The states of a source's partitions; one whose file is gone stays fresh."""
    states = np.full(len(state.condition), State.FRESH, np.uint8)
    states[state.condition == Condition.ABSENT] = State.WAITING
    states[state.condition == Condition.DAMAGED] = State.BLOCKED
    return states


@dataclass(slots=True)
class _Marks:
    """What is true of each partition of a dataset, before it is counted for its `Flow`."""

    planned: Mask
    waits: Mask
    blocked: Mask
    late: Mask
    faults: Mask


@dataclass(slots=True)
class Flows:
    """Every dataset's flow, from the plans of those of its writers that are planned so far.

    For each of those, `late` holds `(lo, n, mask)`: which of its `n` partitions from `lo` on are
    not due, or None if all are; `faults` holds which partitions of its plan lie behind a fault, or
    None if none does. What several datasets or tasks have in common is computed once.
    """

    graph: Graph
    snapshot: Snapshot
    plans: Mapping[str, TaskPlan]
    late: Mapping[str, tuple[int, int, Mask | None]]
    faults: Mapping[str, Mask | None]
    _flows: dict[str, Flow] = field(default_factory=dict)
    _salts: dict[object, NDArray[np.uint64]] = field(default_factory=dict)
    _ranges: dict[object, Ranges] = field(default_factory=dict)

    def of(self, name: str) -> Flow:
        """A dataset's flow; what no task makes waits while it is not there."""
        if name not in self._flows:
            lo = self.graph.dataset_extents[name].lo
            hi = horizon_of(self.graph, name, self.snapshot.now)
            state = state_over(self.snapshot.states[name], lo, hi)
            self._flows[name] = self._flow(name, state)
        return self._flows[name]

    def forget(self, task: Task) -> None:
        """Drop the flows of what a task writes, since it has been planned."""
        for dataset in task.writes:
            self._flows.pop(dataset.name, None)

    def read(self, read: Read, task: Task, lo: int, hi: int) -> Ranges:
        """The ranges of a dataset that the partitions `[lo, hi)` of a task read."""
        extent = self.graph.dataset_extents[read.dataset.name]
        if hi <= lo:
            return Ranges(np.zeros(0, np.int64), np.zeros(0, np.int64), None)
        if isinstance(task.grain, Whole):
            due_end = self.of(read.dataset.name).due_end
            return Ranges.of(*read.bounds(task.grain, lo, hi, extent, due_end))
        key = (read.form, read.first, read.last, read.dataset.grain, task.grain, lo, hi, extent)
        if key not in self._ranges:
            a, b = read.bounds(task.grain, lo, hi, extent, 0)
            a.flags.writeable = b.flags.writeable = False
            self._ranges[key] = Ranges.of(a, b)
        ranges = self._ranges[key]
        if read.form is not Form.WITHIN:
            return ranges
        flow = self.of(read.dataset.name)
        return Ranges.of(*from_newest((ranges.a, ranges.b), flow.known, flow.lo))

    def _flow(self, name: str, state: DatasetState) -> Flow:
        """The flow of a dataset in that state; without sums if all of it is there and stays."""
        grain = self.graph.datasets[name].grain
        key = (grain.signature, state.lo, state.hi)
        if key not in self._salts:
            self._salts[key] = salts(grain.edges(state.lo, state.hi)[:-1])
        parts = there = salted(self._salts[key], state.content)
        flow = Flow(state.lo, len(state.condition), parts, there)
        good = bool((state.condition == Condition.GOOD).all())
        if good and all(self._is_at_rest(t, state) for t in self.graph.writers(name)):
            return flow
        absent = (state.condition == Condition.GONE) | (state.condition == Condition.DAMAGED)
        if absent.any():
            flow.there = np.where(absent[:, None], np.uint64(0), parts)
        marks = self._marks(name, state)
        flow.planned, flow.late = _counts(marks.planned), _counts(marks.late)
        waits, blocked = marks.waits & ~marks.late, marks.blocked & ~marks.late
        flow.waits, flow.blocked = _counts(waits), _counts(blocked)
        flow.away = _counts(waits & absent)
        flow.given_up = _counts(state.condition == Condition.GIVEN_UP)
        flow.broken = _counts(blocked & (absent | marks.faults))
        faults = marks.faults & ~marks.late
        flow.faults = flow.spoilt_faults = _counts(faults)
        flow.spoilt = flow.broken
        if faults.any():  # what never was cannot be spoilt
            flow.spoilt_faults = _counts(faults & flow.known)
            flow.spoilt = _counts(blocked & (absent | faults) & flow.known)
        return flow

    def _is_at_rest(self, task: Task, state: DatasetState) -> bool:
        """Whether a writer leaves a dataset's partitions as they are, or is not planned yet."""
        planned = self.plans.get(task.name)
        if planned is None:
            return True
        lo, n, late = self.late[task.name]
        is_all = min(state.hi, self.graph.task_extents[task.name].until(state.hi)) <= lo + n
        return is_all and late is None and not planned.action.any() and not planned.state.any()

    def _marks(self, name: str, state: DatasetState) -> _Marks:
        """The marks of each partition: from its writer's plan, or from its file if none has one."""
        condition = state.condition
        marks = _Marks(
            np.zeros(len(condition), np.bool_),
            (condition == Condition.ABSENT) | (condition == Condition.GONE),
            (condition == Condition.DAMAGED) | (condition == Condition.CHANGED),
            np.zeros(len(condition), np.bool_),
            np.zeros(len(condition), np.bool_),
        )
        if self.graph.datasets[name].is_source:
            marks.faults = condition == Condition.DAMAGED
            return marks
        for task in self.graph.writers(name):
            planned = self.plans.get(task.name)
            if planned is None:
                continue
            here, in_plan = _common(state, planned.lo, planned.hi)
            marks.planned[here] = planned.action[in_plan] != Action.NONE
            marks.waits[here] = planned.state[in_plan] == State.WAITING
            marks.blocked[here] = planned.state[in_plan] == State.BLOCKED
            faulty = self.faults.get(task.name)
            marks.faults[here] = False if faulty is None else faulty[in_plan]
            lo, n, late = self.late[task.name]
            beyond, _ = _common(state, lo + n, self.graph.task_extents[task.name].until(state.hi))
            marks.late[beyond] = True  # its lag has not passed
            here, in_span = _common(state, lo, lo + n)
            marks.late[here] = False if late is None else late[in_span]
        return marks


def _common(state: DatasetState, lo: int, hi: int) -> tuple[slice, slice]:
    """What `[lo, hi)` shares with a state: as a slice of the state, and as one of `[lo, hi)`."""
    a, b = max(lo, state.lo), min(hi, state.hi)
    b = max(a, b)
    return slice(a - state.lo, b - state.lo), slice(a - lo, b - lo)


def _lag(task: Task) -> int:
    return int(task.options.lag.total_seconds())


def _counts(mask: Mask) -> Sums | None:
    """`counts` of a mask; None if nothing is in it."""
    return counts(mask) if mask.any() else None


def counts(mask: Mask) -> Sums:
    """How many partitions of a mask come before each ordinal: n + 1 numbers."""
    sums = np.zeros(len(mask) + 1, np.int64)
    np.cumsum(mask, dtype=np.int64, out=sums[1:])
    return sums
