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
    digests,
    flow_of,
    horizon_of,
    source_flow,
    source_states,
    task_span,
    within,
)
from partflow.grain import Whole
from partflow.graph import Graph, outputs
from partflow.lineage import Condition, DatasetState, Snapshot, lanes, state_over
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
from partflow.task import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
    """What the forward pass knows so far."""

    graph: Graph
    snapshot: Snapshot
    request: Request
    flows: dict[str, Flow] = field(default_factory=dict)
    tasks: dict[str, TaskPlan] = field(default_factory=dict)


def plan(graph: Graph, snapshot: Snapshot, request: Request) -> Plan:
    """The least set of steps that brings what is wanted up to date, each with its reason."""
    work = _Work(graph, snapshot, request)
    sources = {}
    for name, dataset in graph.datasets.items():
        if dataset.is_source:
            state = snapshot.states[name]
            work.flows[name] = source_flow(graph, snapshot, name)
            sources[name] = source_states(state)
    for task in graph.tasks:
        work.tasks[task.name] = _plan_task(work, task)
        for dataset in task.writes:
            work.flows.pop(dataset.name, None)
    whole = Plan(graph, snapshot, request, work.tasks, sources)
    return whole if request.wanted is None else restricted(whole)


def _flow(work: _Work, name: str) -> Flow:
    """The flow of a dataset, from the plans of the writers that have been planned so far."""
    if name not in work.flows:
        work.flows[name] = flow_of(work.graph, work.snapshot, work.tasks, name)
    return work.flows[name]


def _plan_task(work: _Work, task: Task) -> TaskPlan:
    lo, hi = task_span(work.graph, task, work.snapshot.now)
    flows = [_flow(work, i.read.dataset.name) for i in task.inputs]
    bounds = _bounds(work, task, lo, hi)
    not_due = _not_due(task, flows, bounds, hi - lo)
    first, last = _considered(work, task, lo, not_due)
    cut = slice(first - lo, last - lo)
    bounds = tuple((a[cut], b[cut]) for a, b in bounds)
    own = [state_over(work.snapshot.states[n], first, last) for n in outputs(task)]
    need, cause, kept = _needs(work, task, own, flows, bounds)
    need = _forced(work, task, need, own, (first, last))
    found = _settled(task, (need, cause, kept), own, flows, bounds, not_due[cut], first)
    if task.reads_itself:
        found = _along_itself(work, found)
    return found


def _bounds(work: _Work, task: Task, lo: int, hi: int) -> tuple[Bounds, ...]:
    """What each of the task's partitions reads, as ranges of upstream ordinals."""
    found = []
    for one in task.inputs:
        name = one.read.dataset.name
        extent = work.graph.dataset_extents[name]
        if hi <= lo:
            found.append((np.zeros(0, np.int64), np.zeros(0, np.int64)))
            continue
        horizon = horizon_of(work.graph, name, work.snapshot.now)
        found.append(one.read.bounds(task.grain, lo, hi, extent, horizon))
    return tuple(found)


def _not_due(task: Task, flows: list[Flow], bounds: tuple[Bounds, ...], n: int) -> Mask:
    """Where something that must be read lies past what is due; -1 where nothing does."""
    found = np.zeros(n, np.bool_)
    for one, flow, (_, b) in zip(task.inputs, flows, bounds, strict=True):
        if not one.read.is_optional and not isinstance(task.grain, Whole):
            found |= b > flow.hi
    return found


def _considered(work: _Work, task: Task, lo: int, not_due: Mask) -> tuple[int, int]:
    """The ordinals that the plan looks at: all, or for effects and `only="latest"` the newest."""
    hi = lo + len(not_due)
    if not task.is_effect and task.options.only is None:
        return lo, hi
    due = np.flatnonzero(~not_due)
    end = lo + int(due[-1]) + 1 if len(due) else lo
    if task.options.only == "latest":
        return max(lo, end - 1), end
    if work.request.with_effects:
        return lo, end
    since = work.snapshot.effects_since.get(task.name, end - 1)
    return max(lo, min(since, end)), end


def _needs(
    work: _Work,
    task: Task,
    own: list[DatasetState],
    flows: list[Flow],
    bounds: tuple[Bounds, ...],
) -> tuple[Codes, NDArray[np.int16], Mask]:
    """Why each partition would have to be made; the read that is the cause; what is kept."""
    n = len(own[0].condition)
    need = np.zeros(n, np.uint8)
    cause = np.full(n, -1, np.int16)
    for position in reversed(range(len(task.inputs))):
        flow, read = flows[position], task.inputs[position].read
        now = digests(flow.content, flow.lo, bounds[position])
        there = digests(flow.there, flow.lo, bounds[position]) if read.is_optional else now
        for state in own:
            recorded = state.reads == len(task.inputs)
            if state.inputs.shape[1] <= position:
                continue
            was = state.inputs[:, position]
            differs = recorded & (now != was).any(axis=1) & (there != was).any(axis=1)
            need[differs], cause[differs] = Reason.INPUT, position
    code, kept = _code_differs(work, task, own)
    need[code], cause[code] = Reason.CODE, -1
    for reason, mask in _file_reasons(work, task, own):
        need[mask], cause[mask] = reason, -1
    return need, cause, kept


def _code_differs(work: _Work, task: Task, own: list[DatasetState]) -> tuple[Mask, Mask]:
    """Where the code is another one than that of the record; and where such is kept."""
    n = len(own[0].condition)
    none = np.zeros(n, np.bool_)
    if task.is_effect:
        return none, none
    present = np.array(lanes(work.snapshot.codes[task.name]), np.uint64)
    differs = np.logical_or.reduce([(s.code != present).any(axis=1) & (s.seq > 0) for s in own])
    return (none, differs) if task.options.on_code_change == "keep" else (differs, none)


def _file_reasons(work: _Work, task: Task, own: list[DatasetState]) -> list[tuple[Reason, Mask]]:
    """The reasons that come before code and inputs, the strongest last."""
    found = []
    if task.options.settles_after is not None:
        found.append((Reason.REFRESH, _unsettled(work, task, own[0])))
    for reason, condition in (
        (Reason.DAMAGED, Condition.DAMAGED),
        (Reason.GONE, Condition.GONE),
        (Reason.NEVER, Condition.ABSENT),
    ):
        found.append((reason, np.logical_or.reduce([s.condition == condition for s in own])))
    return found


def _unsettled(work: _Work, task: Task, state: DatasetState) -> Mask:
    """Made before its interval's end plus `settles_after`, and due to be looked at again."""
    settles = task.options.settles_after
    every = task.options.refresh_every
    assert settles is not None
    settled_at = task.grain.edges(state.lo, state.hi)[1:] + int(settles.total_seconds())
    now = work.snapshot.now
    pause = 0 if every is None else int(every.total_seconds())
    asked = (now - state.made_at >= pause) | (now >= settled_at)
    return np.asarray((state.made_at < settled_at) & asked & (state.seq > 0))


def _forced(
    work: _Work, task: Task, need: Codes, own: list[DatasetState], span: tuple[int, int]
) -> Codes:
    """Add what a backfill asks for; with another `only` than all, it adds nothing by itself."""
    force = work.request.force
    if force is None or force.only is not Only.ALL:
        return need
    wanted = np.ones(len(need), np.bool_)
    if work.request.wanted is not None:
        masks = [
            work.request.wanted[n].mask(*span) for n in outputs(task) if n in work.request.wanted
        ]
        wanted = np.logical_or.reduce([np.zeros(len(need), np.bool_), *masks])
    older = np.logical_or.reduce([s.seq < force.since for s in own])
    changed = np.logical_or.reduce([s.condition == Condition.CHANGED for s in own])
    asked = wanted & older & ((need == Reason.NONE) | changed)
    found = need.copy()
    found[asked] = Reason.ASKED
    return found


def _settled(  # noqa: PLR0913, PLR0917 - one array for each thing that was found out
    task: Task,
    needs: tuple[Codes, NDArray[np.int16], Mask],
    own: list[DatasetState],
    flows: list[Flow],
    bounds: tuple[Bounds, ...],
    not_due: Mask,
    lo: int,
) -> TaskPlan:
    """The states and actions that follow, its reads of itself left aside."""
    need, cause, kept = needs
    n = len(need)
    why, by = need.copy(), cause.copy()
    waits, blocked, planned = not_due.copy(), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    wait_by, block_by, plan_by = (np.full(n, -1, np.int16) for _ in range(3))
    for position in reversed(range(len(flows))):
        one, flow = task.inputs[position].read, flows[position]
        if one.dataset in task.writes:
            continue
        for mask, by_whom, sums in (
            (waits, wait_by, flow.waits),
            (blocked, block_by, flow.blocked),
            (planned, plan_by, flow.planned),
        ):
            if one.is_optional and sums is not flow.planned:
                continue
            here = within(sums, flow.lo, bounds[position]) > 0
            np.logical_or(mask, here, out=mask)
            by_whom[here] = position
    changed = np.logical_or.reduce([s.condition == Condition.CHANGED for s in own])
    conflict = changed & (need != Reason.ASKED)
    needed = (need != Reason.NONE) & ~conflict
    state = np.full(n, State.FRESH, np.uint8)
    missing = (need == Reason.NEVER) | (need == Reason.GONE)
    state[needed] = np.where(missing[needed], State.MISSING, State.STALE)
    maybe = planned & ~needed & ~waits & ~blocked & ~conflict
    quiet = why == Reason.NONE
    why[kept & quiet] = Reason.KEPT
    why[maybe], by[maybe] = Reason.UPSTREAM, plan_by[maybe]
    held = needed & waits
    state[held], by[held] = State.WAITING, wait_by[held]
    why[held] = np.where(not_due[held], Reason.NOT_DUE, Reason.NOT_ARRIVED)
    behind = needed & blocked
    state[behind], why[behind], by[behind] = State.BLOCKED, Reason.BEHIND, block_by[behind]
    state[conflict], why[conflict], by[conflict] = State.BLOCKED, Reason.CHANGED_OUTSIDE, -1
    action = np.zeros(n, np.uint8)
    action[needed & ~waits & ~blocked] = Action.RUN
    action[maybe] = Action.MAYBE
    return TaskPlan(task, lo, state, need, why, by, action, bounds)


def _along_itself(work: _Work, found: TaskPlan) -> TaskPlan:
    """Carry what holds of earlier partitions on to those that read them, in order of time."""
    task = found.task
    state, reason, action = (x.copy() for x in (found.state, found.reason, found.action))
    cause = found.cause.copy()
    reads = [
        (p, _flow(work, i.read.dataset.name), found.bounds[p], i.read.is_optional)
        for p, i in enumerate(task.inputs)
        if i.read.dataset in task.writes
    ]
    quiet = not (action.any() or (state != State.FRESH).any())
    if quiet and not any(flow.planned[-1] for _, flow, _, _ in reads):
        return found
    for t in range(len(state)):
        if reason[t] == Reason.CHANGED_OUTSIDE:
            continue
        for position, flow, (a, b), optional in reads:
            seen = _earlier(flow, found.lo, (int(a[t]), int(b[t])), state, action, found.lo + t)
            needed = action[t] == Action.RUN or state[t] in (State.WAITING, State.BLOCKED)
            if needed and not optional and (seen.blocked or seen.waits):
                if state[t] != State.BLOCKED:
                    state[t] = State.BLOCKED if seen.blocked else State.WAITING
                    reason[t] = Reason.BEHIND if seen.blocked else Reason.NOT_ARRIVED
                    cause[t], action[t] = position, Action.NONE
            elif not needed and seen.planned and not (seen.waits or seen.blocked):
                if action[t] == Action.NONE:
                    action[t], reason[t], cause[t] = Action.MAYBE, Reason.UPSTREAM, position
            elif not needed and not optional and (seen.waits or seen.blocked):
                action[t] = Action.NONE
                reason[t] = Reason.NONE if reason[t] == Reason.UPSTREAM else reason[t]
                break
    return replace(found, state=state, reason=reason, cause=cause, action=action)


@dataclass(frozen=True, slots=True)
class _Earlier:
    """What holds somewhere in a range of the task's own dataset."""

    planned: bool
    waits: bool
    blocked: bool


def _earlier(
    flow: Flow, lo: int, bounds: tuple[int, int], state: Codes, action: Codes, before: int
) -> _Earlier:
    """Look at `[a, b)`: other writers' partitions in the flow, the task's own in its arrays."""
    a, b = bounds
    own = slice(max(a, lo) - lo, max(min(b, before), lo) - lo)
    x, y = (min(max(i - flow.lo, 0), len(flow.planned) - 1) for i in (a, min(b, lo)))
    y = max(x, y)
    return _Earlier(
        bool(flow.planned[y] - flow.planned[x]) or bool((action[own] != Action.NONE).any()),
        bool(flow.waits[y] - flow.waits[x]) or bool((state[own] == State.WAITING).any()),
        bool(flow.blocked[y] - flow.blocked[x]) or bool((state[own] == State.BLOCKED).any()),
    )
