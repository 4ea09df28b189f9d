"""Finds what is wrong with a warehouse, and how far it reaches: one trouble for each root cause.

A pure function of a plan. What is blocked, or waits for what is late, is followed to where that
begins: over arrays, a task at a time, since a task is planned after what it reads. Knows nothing of
who is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.graph import outputs
from partflow.partitions.keytexts import shown_key
from partflow.planning.asking import failing_to_answer
from partflow.planning.lateness import Lateness, lateness
from partflow.planning.plan import Plan, Reason, State, TaskPlan, perhaps_done
from partflow.planning.snapshot import Condition
from partflow.scheduler.outlook import Root, Trouble

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.partitions.calendar import Grain
    from partflow.scheduler.tries import Memory, Tries

    Ids = NDArray[np.int32]
    """For each partition the number of its root, or 0."""

_BLOCKED = (Reason.BEHIND, Reason.LAST_GOOD)


def troubles_of(plan: Plan, failing: Memory) -> tuple[Trouble, ...]:
    """All that is wrong, one for each root; `failing` is what of the remembered tries stands.

    The plan is of everything, as `Automatic`. What is blocked behind a root counts for it, and so
    does what is late for no other reason.
    """
    reach = _Reach(plan, lateness(plan))
    for name in plan.sources:
        reach.enter_source(name)
    for planned in plan.tasks.values():
        reach.enter_task(planned)
    return (
        *_of_clock(plan),
        *(_failed(plan, reach, name, failing[name]) for name in plan.tasks if name in failing),
        *(_counted(plan, reach, root) for root in reach.numbers if root.kind != "failed"),
        *_too_old(reach),
        *_perhaps_done(plan),
        *_in_vain(plan),
    )


@dataclass(frozen=True, slots=True)
class _Rooted:
    """A dataset's partitions from `lo` on: the states and roots of each."""

    lo: int
    states: NDArray[np.uint8]
    roots: Ids

    def culprits(self, state: State, *, is_known: bool) -> NDArray[np.int64]:
        """The ordinals in that state, in order; if it `is_known`, only those that have a root."""
        here = self.states == state
        return np.flatnonzero(here & (self.roots != 0) if is_known else here) + self.lo


@dataclass(slots=True)
class _Reach:
    """The root of each partition that has one, so far.

    `numbers` gives each root its number, from 1 on; `begins` the ordinals where it begins, with
    their node's grain; `behind` by number how many others are behind it.
    """

    plan: Plan
    late: dict[str, Lateness]
    numbers: dict[Root, int] = field(default_factory=dict)
    begins: dict[Root, tuple[Grain, NDArray[np.int64]]] = field(default_factory=dict)
    behind: dict[int, int] = field(default_factory=dict)
    lines: dict[str, _Rooted] = field(default_factory=dict)

    def enter_source(self, name: str) -> None:
        """Enter where a source cannot be read, or is late."""
        state, states = self.plan.snapshot.states[name], self.plan.sources[name]
        line = _Rooted(state.lo, states, np.zeros(len(states), np.int32))
        grain = self.plan.graph.datasets[name].grain
        self._begin(Root("unreadable", name), grain, line, state.condition == Condition.DAMAGED)
        if name in self.late:
            self._begin(Root("late", name), grain, line, self._late(name, line))
        self.lines[name] = line

    def enter_task(self, planned: TaskPlan) -> None:
        """Enter what of a task is at fault, behind what is, or late for no other reason."""
        nodes = outputs(planned.task)
        line = _Rooted(planned.lo, planned.state, np.zeros(len(planned.state), np.int32))
        if planned.state.any():
            self._enter_roots(planned, line)
        for node in nodes:
            before = self.lines.get(node)
            self.lines[node] = line if before is None else _together(before, line)

    def _enter_roots(self, planned: TaskPlan, line: _Rooted) -> None:
        """Give a task's partitions their roots: their own fault, what they are behind, or late."""
        grain, nodes = planned.task.grain, outputs(planned.task)
        self._begin(Root("failed", planned.task.name), grain, line, planned.reason == Reason.HELD)
        changed = planned.reason == Reason.CHANGED_OUTSIDE
        self._begin(Root("changed outside", nodes[0]), grain, line, changed)
        is_own = line.roots != 0
        self._follow(planned, line)
        late = {node: self._late(node, line) for node in nodes if node in self.late}
        if late:
            self._take_over(planned, line, np.logical_or.reduce(list(late.values())))
        numbers, counts = np.unique(line.roots[~is_own & (line.roots != 0)], return_counts=True)
        for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
            self.behind[number] = self.behind.get(number, 0) + count
        for node, mask in late.items():
            self._begin(Root("late", node), grain, line, mask)

    def _begin(self, root: Root, grain: Grain, line: _Rooted, mask: NDArray[np.bool_]) -> None:
        """Enter a root where the mask is true, unless another one stands there."""
        mask = mask & (line.roots == 0)
        if not mask.any():
            return
        number = self.numbers.setdefault(root, len(self.numbers) + 1)
        line.roots[mask] = number
        at = np.flatnonzero(mask) + line.lo
        before = self.begins[root][1] if root in self.begins else at[:0]
        self.begins[root] = grain, np.concatenate([before, at])

    def _late(self, node: str, line: _Rooted) -> NDArray[np.bool_]:
        return self.late[node].at.mask(line.lo, line.lo + len(line.states))

    def _follow(self, planned: TaskPlan, line: _Rooted) -> None:
        """Give what is behind something the root of that.

        What is behind an earlier partition of its own task points at it; then everybody takes over
        where the one that they point at points, until nobody does any more.
        """
        ahead = np.arange(len(line.roots))
        for position, task_input in enumerate(planned.task.inputs):
            name = task_input.read.dataset.name
            is_own = name in outputs(planned.task)
            upstream = self.lines.get(name)
            for state, here in _held_up(planned, position):
                a, b = (ends[here] for ends in planned.bounds[position])
                if upstream is not None:
                    at, found = _first(upstream, upstream.culprits(state, is_known=True), a, b)
                    line.roots[here[found]] = upstream.roots[at]
                if is_own:
                    at, found = _first(line, line.culprits(state, is_known=False), a, b)
                    free = line.roots[here[found]] == 0
                    ahead[here[found][free]] = at[free]
        while (ahead[ahead] != ahead).any():
            ahead = ahead[ahead]
        line.roots[:] = line.roots[ahead]

    def _take_over(self, planned: TaskPlan, line: _Rooted, late: NDArray[np.bool_]) -> None:
        """Give what is late the root of the first late or blocked one that it reads, if any."""
        for task_input, (a, b) in zip(planned.task.inputs, planned.bounds, strict=True):
            upstream = self.lines.get(task_input.read.dataset.name)
            here = np.flatnonzero(late & (line.roots == 0))
            if upstream is not None and len(here):
                rooted = np.flatnonzero(upstream.roots) + upstream.lo
                at, found = _first(upstream, rooted, a[here], b[here])
                line.roots[here[found]] = upstream.roots[at]


def _held_up(planned: TaskPlan, position: int) -> Iterator[tuple[State, NDArray[np.int64]]]:
    """The places in a task's arrays that are held up by a read; by what is in which state."""
    by_it = planned.cause == position
    blocked = np.flatnonzero(by_it & np.isin(planned.reason, _BLOCKED))
    waiting = np.flatnonzero(by_it & (planned.reason == Reason.NOT_ARRIVED))
    for state, here in ((State.BLOCKED, blocked), (State.WAITING, waiting)):
        if len(here):
            yield state, here


def _first(
    line: _Rooted, culprits: NDArray[np.int64], a: NDArray[np.int64], b: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The place in a line of the first culprit in each range that has one.

    The mask says which ranges have one.
    """
    if not len(culprits):
        return culprits, np.zeros(len(a), np.bool_)
    first = np.searchsorted(culprits, a)
    at = culprits[np.minimum(first, len(culprits) - 1)]
    found = (first < len(culprits)) & (at < b)
    return at[found] - line.lo, found


def _together(first: _Rooted, second: _Rooted) -> _Rooted:
    """One line of the partitions of two tasks that write one dataset at different times."""
    lo = min(first.lo, second.lo)
    hi = max(first.lo + len(first.states), second.lo + len(second.states))
    joined = _Rooted(lo, np.zeros(hi - lo, np.uint8), np.zeros(hi - lo, np.int32))
    for line in (first, second):
        here = slice(line.lo - lo, line.lo - lo + len(line.states))
        joined.states[here], joined.roots[here] = line.states, line.roots
    return joined


# --- in words ----------------------------------------------------------------------------------


def _counted(plan: Plan, reach: _Reach, root: Root) -> Trouble:
    """The trouble of a root that has partitions."""
    grain, at = reach.begins[root]
    first, last = (shown_key(grain.key(int(o))) for o in (at.min(), at.max()))
    since, (said, advice) = float(plan.snapshot.now), _said(plan, root, first)
    if root.kind == "late":
        since = float(reach.late[root.name].since)
    return Trouble(
        root, since, said, advice, len(at), first, last, reach.behind.get(reach.numbers[root], 0)
    )


def _said(plan: Plan, root: Root, key: str) -> tuple[str, str]:
    """What is to be said of a root that has partitions, and what goes on."""
    name = f"{root.name} -p {key}"
    if root.kind == "unreadable":
        fault = next((f for f in plan.faults if f.dataset == root.name), None)
        if fault is not None:
            file = f"{fault.file}: " if fault.file else ""
            return f"{file}{fault.reason}", fault.advice
        return "it cannot be read", f"`partflow why {name}` says more"
    if root.kind == "changed outside":
        return (
            "its file was changed outside partflow",
            f"`partflow accept {name}` keeps it, `partflow backfill {name}` makes it again",
        )
    what = "never came" if root.name in plan.sources else "never made"
    return f"expected, and {what}", f"`partflow why {name}` says what it waits for"


def _failed(plan: Plan, reach: _Reach, name: str, tries: Tries) -> Trouble:
    """The trouble of a task of which steps failed; of the machine if it was that each time."""
    planned = plan.tasks[name]
    node, grain = outputs(planned.task)[0], planned.task.grain
    tried = f"`partflow materialize {node}` tries it at once"
    first, last = (shown_key(grain.key(int(o))) for o in (tries.ordinals[0], tries.ordinals[-1]))
    number = reach.numbers.get(Root("failed", name), 0)
    return Trouble(
        Root("machine" if (tries.of_machine > 0).all() else "failed", name),
        float(tries.at.min()),
        tries.said,
        f"{tried}, `partflow why {node} -p {last}` says more",
        len(tries),
        first,
        last,
        reach.behind.get(number, 0),
    )


def _too_old(reach: _Reach) -> Iterator[Trouble]:
    """What has become too old, unless its newest partition is behind another root."""
    for name, late in reach.late.items():
        line = reach.lines.get(name)
        has_root = line is not None and len(line.roots) > 0 and bool(line.roots[-1])
        if late.too_old_since is not None and not has_root:
            yield Trouble(
                Root("too old", name),
                float(late.too_old_since),
                "its newest fresh partition is older than its max_age",
                f"`partflow status {name}` says what there is of it",
            )


def _perhaps_done(plan: Plan) -> Iterator[Trouble]:
    """The effects in which a run was cut off, and that somebody has to decide."""
    undecided: dict[str, list[str]] = {}
    for each in perhaps_done(plan):
        if each.is_undecided:
            undecided.setdefault(each.effect, []).append(shown_key(each.key))
    for name, keys in undecided.items():
        which = f"{name} -p {keys[0]}"
        yield Trouble(
            Root("perhaps done", name),
            float(plan.snapshot.now),
            "a run began it and did not come to its end",
            f"`partflow accept {which}` says that it was done, `partflow backfill {which}` does "
            "it again",
            len(keys),
            keys[0],
            keys[-1],
        )


def _in_vain(plan: Plan) -> Iterator[Trouble]:
    """The sources without files that could not be asked last time."""
    for name, book in plan.snapshot.asked.items():
        failures = list(failing_to_answer(plan.graph.datasets[name].grain, book))
        if failures:
            first, last = (shown_key(failures[at][0]) for at in (0, -1))
            yield Trouble(
                Root("source", name),
                float(min(tried.at for _, tried in failures)),
                f"it could not be asked: {failures[0][1].failure}",
                f"what it answered before stays; `partflow why {name} -p {first}` says more",
                len(failures),
                first,
                last,
            )


def _of_clock(plan: Plan) -> Iterator[Trouble]:
    """The fault of a clock that is behind what was recorded."""
    for fault in plan.faults:
        if not fault.dataset:
            now = float(plan.snapshot.now)
            yield Trouble(Root("clock", ""), now, fault.reason, fault.advice)
