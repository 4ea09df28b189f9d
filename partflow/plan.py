"""What has to be made, and why: graph x snapshot x request -> plan.

Knows nothing of files, clocks or runs. Dry run, `why`, `status` and the run all read one `Plan`.
Per task everything is arrays over its ordinals; what a partition reads of a dataset is a range
`[a, b)` of ordinals, so that "is anything that I read stale" and "what is the digest of my window"
are differences of prefix sums.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from partflow.demand import restricted
from partflow.flow import (
    Flow,
    flow_of,
    horizon_of,
    source_flow,
    source_states,
    task_span,
    within,
)
from partflow.grain import Whole
from partflow.graph import Graph, outputs
from partflow.lineage import Condition, Snapshot, state_over
from partflow.needs import Look, forced, needs_of, pinned
from partflow.steps import (
    Action,
    Force,
    Only,
    Plan,
    Reason,
    Request,
    State,
    TaskPlan,
    wanted_mask,
)
from partflow.tasks import Task

if TYPE_CHECKING:
    from partflow.needs import Causes
    from partflow.steps import Bounds, Codes, Mask

__all__ = [
    "Action",
    "Force",
    "Only",
    "Plan",
    "Reason",
    "Request",
    "State",
    "TaskPlan",
    "horizon_of",
    "plan",
    "state_over",
    "task_span",
    "wanted_mask",
]


@dataclass(slots=True)
class _Work:
    """What the forward pass knows so far; `late` says which of a task's partitions are not due."""

    look: Look
    flows: dict[str, Flow] = field(default_factory=dict)
    tasks: dict[str, TaskPlan] = field(default_factory=dict)
    late: dict[str, tuple[int, Mask]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Holds:
    """For each partition the first read that blocks it, is not due, waits, or is planned; or -1."""

    blocks: Causes
    late: Causes
    waits: Causes
    planned: Causes


def plan(graph: Graph, snapshot: Snapshot, request: Request) -> Plan:
    """The least set of steps that brings what is wanted up to date, each with its reason."""
    work = _Work(Look(graph, snapshot, request))
    sources = {}
    for name, dataset in graph.datasets.items():
        if dataset.is_source:
            work.flows[name] = source_flow(graph, snapshot, name)
            sources[name] = source_states(snapshot.states[name])
    for task in graph.tasks:
        work.tasks[task.name] = _plan_task(work, task)
        for dataset in task.writes:
            work.flows.pop(dataset.name, None)
    whole = Plan(graph, snapshot, request, work.tasks, sources)
    picks = request.force is not None and request.force.only is not Only.ALL
    return restricted(whole) if request.wanted is not None or picks else whole


def _flow(work: _Work, name: str) -> Flow:
    """The flow of a dataset, from the plans of the writers that have been planned so far."""
    if name not in work.flows:
        look = work.look
        work.flows[name] = flow_of(look.graph, look.snapshot, work.tasks, work.late, name)
    return work.flows[name]


def _plan_task(work: _Work, task: Task) -> TaskPlan:
    look = work.look
    lo, hi = task_span(look.graph, task, look.snapshot.now)
    flows = [_flow(work, i.read.dataset.name) for i in task.inputs]
    bounds = _bounds(work, task, flows, lo, hi)
    late = _late(task, flows, bounds, lo, hi)
    work.late[task.name] = (lo, late >= 0)
    first, last = _considered(work, task, lo, late < 0)
    cut = slice(first - lo, last - lo)
    bounds = tuple((a[cut], b[cut]) for a, b in bounds)
    own = [state_over(look.snapshot.states[n], first, last) for n in outputs(task)]
    need, cause, kept = needs_of(look, task, own, flows, bounds)
    need, cause = forced(look, task, (need, cause), own, (first, last))
    changed = np.logical_or.reduce([s.condition == Condition.CHANGED for s in own])
    case = _Case(need, cause, kept, changed & (need != Reason.ASKED), pinned(own))
    found = TaskPlan(
        task, first, *_decided(case, holds := _holds(task, flows, bounds, late[cut])), bounds
    )
    return _along_itself(found, case, holds, flows) if task.reads_itself else found


def _bounds(work: _Work, task: Task, flows: list[Flow], lo: int, hi: int) -> tuple[Bounds, ...]:
    """What each of the task's partitions reads, as ranges of upstream ordinals."""
    found = []
    for one, flow in zip(task.inputs, flows, strict=True):
        extent = work.look.graph.dataset_extents[one.read.dataset.name]
        if hi <= lo:
            found.append((np.zeros(0, np.int64), np.zeros(0, np.int64)))
        else:
            found.append(one.read.bounds(task.grain, lo, hi, extent, flow.due_end))
    return tuple(found)


def _late(task: Task, flows: list[Flow], bounds: tuple[Bounds, ...], lo: int, hi: int) -> Causes:
    """The first read of which something that must be read is not due, or -1."""
    found = np.full(max(hi - lo, 0), -1, np.int16)
    if isinstance(task.grain, Whole):
        return found
    itself = []
    for position in reversed(range(len(flows))):
        one, flow, (a, b) = task.inputs[position].read, flows[position], bounds[position]
        if one.is_optional:
            continue
        found[(b > np.maximum(a, flow.hi)) | (within(flow.late, flow.lo, (a, b)) > 0)] = position
        if one.dataset in task.writes:
            itself.append(position)
    for t in range(int(np.argmax(found >= 0)), len(found)) if itself and (found >= 0).any() else ():
        for position in reversed(itself):
            first, last = (int(x[t]) - lo for x in bounds[position])
            if (found[max(first, 0) : max(last, 0)] >= 0).any() and not 0 <= found[t] < position:
                found[t] = position
    return found


def _considered(work: _Work, task: Task, lo: int, due: Mask) -> tuple[int, int]:
    """The ordinals that the plan looks at: all, or for effects and `only="latest"` the newest."""
    hi = lo + len(due)
    if not task.is_effect and task.options.only is None:
        return lo, hi
    at = np.flatnonzero(due)
    end = lo + int(at[-1]) + 1 if len(at) else lo
    if task.options.only == "latest":
        return max(lo, end - 1), end
    if work.look.request.with_effects:
        return lo, end
    since = work.look.snapshot.effects_since.get(task.name, end - 1)
    return max(lo, min(since, end)), end


@dataclass(frozen=True, slots=True)
class _Case:
    """What is known of each partition by itself; `conflict` is somebody's hand in its file.

    `pinned` is a hand that was accepted: its file is not made again for what is upstream.
    """

    need: Codes
    cause: Causes
    kept: Mask
    conflict: Mask
    pinned: Mask

    def at(self, t: int) -> _Case:
        """One partition of it."""
        one = slice(t, t + 1)
        arrays = (self.need, self.cause, self.kept, self.conflict, self.pinned)
        return _Case(*(x[one] for x in arrays))  # type: ignore[arg-type]


def _holds(task: Task, flows: list[Flow], bounds: tuple[Bounds, ...], late: Causes) -> _Holds:
    """What the reads hold up or may change, the task's reads of itself left aside."""
    blocks, waits, planned = (np.full(len(late), -1, np.int16) for _ in range(3))
    for position in reversed(range(len(flows))):
        one, flow = task.inputs[position].read, flows[position]
        if one.dataset in task.writes:
            continue
        planned[within(flow.planned, flow.lo, bounds[position]) > 0] = position
        if not one.is_optional:
            waits[within(flow.waits, flow.lo, bounds[position]) > 0] = position
            blocks[within(flow.blocked, flow.lo, bounds[position]) > 0] = position
    return _Holds(blocks, late, waits, planned)


def _decided(case: _Case, holds: _Holds) -> tuple[Codes, Codes, Codes, Causes, Codes]:
    """State, need, reason, cause and action: what is blocked counts more than what waits."""
    n, need = len(case.need), case.need
    needed = (need != Reason.NONE) & ~case.conflict
    missing = (need == Reason.NEVER) | (need == Reason.GONE)
    state = np.full(n, State.FRESH, np.uint8)
    state[needed] = np.where(missing[needed], State.MISSING, State.STALE)
    reason, cause = need.copy(), np.where(needed, case.cause, -1).astype(np.int16)
    action = np.where(needed, Action.RUN, Action.NONE).astype(np.uint8)
    held = np.zeros(n, np.bool_)
    for by, why, becomes in (
        (holds.waits, Reason.NOT_ARRIVED, State.WAITING),
        (holds.late, Reason.NOT_DUE, State.WAITING),
        (holds.blocks, Reason.BEHIND, State.BLOCKED),
    ):
        here = needed & (by >= 0)
        held |= by >= 0
        state[here], reason[here], cause[here], action[here] = becomes, why, by[here], Action.NONE
    reason[case.kept & (need == Reason.NONE)] = Reason.KEPT
    reason[case.pinned & (need == Reason.NONE)] = Reason.PINNED
    free = ~held & ~case.conflict & ~case.pinned
    maybe = (need == Reason.NONE) & (holds.planned >= 0) & free
    reason[maybe], cause[maybe] = Reason.UPSTREAM, holds.planned[maybe]
    action[maybe] = Action.MAYBE
    hand = case.conflict
    state[hand], reason[hand], cause[hand] = State.BLOCKED, Reason.CHANGED_OUTSIDE, -1
    return state, need, reason, cause, action


def _along_itself(found: TaskPlan, case: _Case, holds: _Holds, flows: list[Flow]) -> TaskPlan:
    """Decide once more, in order of time, with what holds of earlier partitions of its own."""
    task, lo = found.task, found.lo
    own = [p for p, i in enumerate(task.inputs) if i.read.dataset in task.writes]
    state, reason, cause, action = (
        found.state.copy(), found.reason.copy(), found.cause.copy(), found.action.copy()
    )  # fmt: skip
    quiet = not (action.any() or (state != State.FRESH).any())
    if quiet and not any(
        s[-1] for p in own for s in (flows[p].planned, flows[p].waits, flows[p].blocked)
    ):
        return found
    for t in range(len(state)):
        one = _Holds(
            *(x[t : t + 1].copy() for x in (holds.blocks, holds.late, holds.waits, holds.planned))
        )
        touched = False
        for p in own:
            span = (int(found.bounds[p][0][t]), min(int(found.bounds[p][1][t]), lo + t))
            optional = task.inputs[p].read.is_optional
            now = (state, action, holds.late >= 0)
            touched |= _seen_earlier(one, flows[p], lo, now, span, (p, optional))
        if touched:
            decided = _decided(case.at(t), one)
            state[t], _, reason[t], cause[t], action[t] = (x[0] for x in decided)
    return replace(found, state=state, reason=reason, cause=cause, action=action)


def _seen_earlier(
    one: _Holds,
    flow: Flow,
    lo: int,
    now: tuple[Codes, Codes, Mask],
    span: tuple[int, int],
    read: tuple[int, bool],
) -> bool:
    """Enter into one partition's holds what its read of its own dataset finds in `span`.

    Other writers' partitions are looked up in the flow, the task's own in its arrays as they are
    now: state, action, and whether they are not due (which holds up by itself). True if anything
    was found.
    """
    (a, b), (state, action, late), (position, optional) = span, now, read
    own = slice(max(a, lo) - lo, max(b, lo) - lo)
    others = (np.array([a]), np.array([max(a, min(b, lo))]))
    touched = False
    for by, sums, mask in (
        (one.planned, flow.planned, action[own] != Action.NONE),
        (one.waits, flow.waits, (state[own] == State.WAITING) & ~late[own]),
        (one.blocks, flow.blocked, (state[own] == State.BLOCKED) & ~late[own]),
    ):
        if optional and by is not one.planned:
            continue
        if mask.any() or within(sums, flow.lo, others)[0]:
            by[0] = position if by[0] < 0 else min(int(by[0]), position)
            touched = True
    return touched
