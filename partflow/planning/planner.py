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

from partflow.declarations.graph import Graph, outputs
from partflow.declarations.task import Task
from partflow.partitions.calendar import Whole
from partflow.planning import selfreads
from partflow.planning.demand import needed_of, restricted
from partflow.planning.faults import faults_of
from partflow.planning.needs import Look, Made, at_rest, forced, needs_of, pinned
from partflow.planning.plan import (
    Action,
    Fault,
    Force,
    Only,
    Plan,
    Reason,
    Request,
    State,
    TaskPlan,
    perhaps_done,
    wanted_mask,
)
from partflow.planning.selfreads import BLOCKED, PLANNED, WAITS, Back, backs_of, spread
from partflow.planning.snapshot import Condition, Snapshot, state_over
from partflow.planning.upstream import (
    Flow,
    Flows,
    Ranges,
    counts,
    horizon_of,
    is_ahead,
    source_states,
    task_span,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.planning.needs import Causes
    from partflow.planning.plan import Codes, Mask

__all__ = [
    "Action",
    "Fault",
    "Force",
    "Only",
    "Plan",
    "Reason",
    "Request",
    "State",
    "TaskPlan",
    "horizon_of",
    "perhaps_done",
    "plan",
    "state_over",
    "task_span",
    "wanted_mask",
]


@dataclass(slots=True)
class _Work:
    """What the forward pass knows so far.

    `late` says from which ordinal on which of a task's partitions are not due (None: all are);
    `faults` which of those that are planned lie behind a fault (None: none does).
    """

    look: Look
    tasks: dict[str, TaskPlan] = field(default_factory=dict)
    late: dict[str, tuple[int, int, Mask | None]] = field(default_factory=dict)
    faults: dict[str, Mask | None] = field(default_factory=dict)
    flows: Flows = field(init=False)
    still: dict[int, tuple[Codes, Causes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.flows = Flows(self.look.graph, self.look.snapshot, self.tasks, self.late, self.faults)

    def nothing(self, n: int) -> tuple[Codes, Causes]:
        """Zeros, and no causes, which all tasks of `n` partitions at rest share."""
        if n not in self.still:
            zeros, none = np.zeros(n, np.uint8), np.full(n, -1, np.int16)
            zeros.flags.writeable = none.flags.writeable = False
            self.still[n] = zeros, none
        return self.still[n]


@dataclass(frozen=True, slots=True)
class _Holds:
    """For each partition the first read that blocks it, is not due, waits, or is planned; or -1.

    And the first that lies behind a fault, which blocks what is made, too; and the first of a
    source whose file was there and is gone.
    """

    blocks: Causes
    late: Causes
    waits: Causes
    planned: Causes
    faults: Causes
    away: Causes


def plan(graph: Graph, snapshot: Snapshot, request: Request) -> Plan:
    """The least set of steps that brings what is wanted up to date, each with its reason."""
    work = _Work(Look(graph, snapshot, request))
    sources = {
        n: source_states(snapshot.states[n]) for n, d in graph.datasets.items() if d.is_source
    }
    for task in graph.tasks:
        work.tasks[task.name] = _plan_task(work, task)
        work.flows.forget(task)
    whole = Plan(graph, snapshot, request, work.tasks, sources)
    picks = request.force is not None and request.force.only is not Only.ALL
    if request.wanted is None and not picks:
        return replace(whole, faults=faults_of(whole, None))
    needed = needed_of(whole)
    return replace(restricted(whole, needed), faults=faults_of(whole, needed))


def _plan_task(work: _Work, task: Task) -> TaskPlan:
    look = work.look
    lo, hi = task_span(look.graph, task, look.snapshot.now)
    flows = [work.flows.of(i.read.dataset.name) for i in task.inputs]
    reads = [work.flows.read(i.read, task, lo, hi) for i in task.inputs]
    late = _late(task, flows, reads, lo, max(hi - lo, 0))
    work.late[task.name] = (lo, max(hi - lo, 0), None if late is None else late >= 0)
    first, last = _considered(work, task, (lo, max(lo, hi)), late)
    cut = slice(first - lo, last - lo)
    reads = [one.cut(cut) for one in reads]
    own = [state_over(look.snapshot.states[n], first, last) for n in outputs(task)]
    made = Made(task, own, flows, reads)
    bounds = tuple((one.a, one.b) for one in reads)
    work.faults[task.name] = None
    if late is None and at_rest(look, made):
        zeros, none = work.nothing(last - first)
        return TaskPlan(task, first, zeros, zeros, zeros, none, zeros, bounds)
    need, cause, kept = needs_of(look, made)
    need, cause = forced(look, task, (need, cause), own, (first, last))
    changed = np.logical_or.reduce([s.condition == Condition.CHANGED for s in own])
    lost = [(s.condition == Condition.GONE) | (s.condition == Condition.DAMAGED) for s in own]
    case = _Case(
        need, cause, kept, changed & (need != Reason.ASKED), pinned(own), np.logical_or.reduce(lost)
    )
    holds = _holds(made, np.full(last - first, -1, np.int16) if late is None else late[cut])
    if task.reads_itself:
        holds = _with_itself(made, first, case, holds)
    faults = (holds.faults >= 0) & ~case.stays
    work.faults[task.name] = faults if faults.any() else None
    return TaskPlan(task, first, *_decided(case, holds), bounds)


def _late(task: Task, flows: list[Flow], reads: list[Ranges], lo: int, n: int) -> Causes | None:
    """The first read of which something that must be read is not due, or -1; None if all is due."""
    strict = [p for p, i in enumerate(task.inputs) if not i.read.is_optional]
    ends = any(n and reads[p].b[-1] > flows[p].hi for p in strict)
    if isinstance(task.grain, Whole) or not (
        ends or any(flows[p].late is not None for p in strict)
    ):
        return None
    found = np.full(n, -1, np.int16)
    for position in strict:
        flow, ranges = flows[position], reads[position]
        _entered(found, ranges.b > np.maximum(ranges.a, flow.hi), position)
        _entered(found, ranges.hits(flow.late, flow.lo), position)
    if not (found >= 0).any():
        return None
    backs = [back for back in backs_of(task) if not back.is_optional]
    if backs:
        kinds, late = np.full(n, selfreads.FRESH, np.uint8), (found >= 0).astype(np.uint8)
        spreading = counts(spread(kinds, late, backs) != 0)
        for back in backs:
            _entered(found, reads[back.position].hits(spreading, lo), back.position)
    return found


def _entered(by: Causes, hit: Mask | None, position: int) -> None:
    """Note a read where it hits, unless an earlier read did."""
    if hit is not None:
        by[hit & ((by < 0) | (by > position))] = position


def _considered(
    work: _Work, task: Task, span: tuple[int, int], late: Causes | None
) -> tuple[int, int]:
    """The ordinals that the plan looks at: all, or for effects and `only="latest"` the newest."""
    lo, end = span
    if not task.is_effect and task.options.only is None:
        return span
    if late is not None:
        at = np.flatnonzero(late < 0)
        end = lo + int(at[-1]) + 1 if len(at) else lo
    if task.options.only == "latest":
        return max(lo, end - 1), end
    if work.look.request.with_effects:
        return lo, end
    since = work.look.snapshot.effects_since.get(task.name, end - 1)
    if is_ahead(task, since, work.look.snapshot.now):  # it was seen first while a clock was ahead
        since = end - 1
    return max(lo, min(since, end)), end


@dataclass(frozen=True, slots=True)
class _Case:
    """What is known of each partition by itself; `conflict` is somebody's hand in its file.

    `kept` says why other code leaves it fresh. `pinned` is a hand that was accepted: its file is
    not made again for what is upstream. `lost` was made, and its file is gone or cannot be read.
    """

    need: Codes
    cause: Causes
    kept: Codes
    conflict: Mask
    pinned: Mask
    lost: Mask

    @property
    def stays(self) -> Mask:
        """What is somebody's, whatever becomes of what is upstream."""
        return np.asarray(self.pinned & (self.need == Reason.NONE))


def _holds(made: Made, late: Causes) -> _Holds:
    """What the reads hold up or may change, the task's reads of itself left aside."""
    blocks, waits, planned, faults, away = (np.full(len(late), -1, np.int16) for _ in range(5))
    for position, one in enumerate(made.task.inputs):
        flow, ranges = made.flows[position], made.reads[position]
        if one.read.dataset in made.task.writes or flow.is_quiet:
            continue
        spared = one.read.is_optional
        _entered(planned, ranges.hits(flow.planned, flow.lo), position)
        _entered(waits, ranges.hits(flow.away if spared else flow.waits, flow.lo), position)
        _entered(blocks, ranges.hits(flow.broken if spared else flow.blocked, flow.lo), position)
        if one.read.dataset.is_source:
            _entered(away, ranges.hits(flow.away, flow.lo), position)
        _entered(faults, ranges.hits(flow.faults, flow.lo), position)
    return _Holds(blocks, late, waits, planned, faults, away)


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
        if why is Reason.NOT_ARRIVED:
            reason[here & (holds.away == by)] = Reason.AWAY
    fresh = need == Reason.NONE
    reason[fresh] = case.kept[fresh]
    behind = (holds.faults >= 0) & (need == Reason.NONE)
    state[behind], reason[behind], cause[behind] = (
        State.BLOCKED, Reason.LAST_GOOD, holds.faults[behind]
    )  # fmt: skip
    stays = case.stays
    state[stays], reason[stays], cause[stays] = State.FRESH, Reason.PINNED, -1
    free = ~held & ~case.conflict & ~case.pinned
    maybe = (need == Reason.NONE) & (holds.planned >= 0) & free
    reason[maybe], cause[maybe] = Reason.UPSTREAM, holds.planned[maybe]
    action[maybe] = Action.MAYBE
    hand = case.conflict
    state[hand], reason[hand], cause[hand] = State.BLOCKED, Reason.CHANGED_OUTSIDE, -1
    return state, need, reason, cause, action


def _with_itself(made: Made, lo: int, case: _Case, holds: _Holds) -> _Holds:
    """The holds, with what earlier partitions of the task's own dataset hold up or may change."""
    backs = backs_of(made.task)
    found = _Holds(
        holds.blocks.copy(), holds.late, holds.waits.copy(), holds.planned.copy(),
        holds.faults.copy(), holds.away,
    )  # fmt: skip
    holding = (found.planned, found.waits, found.blocks)
    for back in backs:
        # What other tasks wrote of it lies before `lo`, and is in its flow.
        flow, ranges = made.flows[back.position], made.reads[back.position]
        before = Ranges(ranges.a, np.maximum(ranges.a, np.minimum(ranges.b, lo)), None)
        for by, sums in zip(holding, _sums(flow, back), strict=True):
            _entered(by, before.hits(sums, flow.lo), back.position)
        _entered(found.faults, before.hits(flow.faults, flow.lo), back.position)
    _spread_faults(made, lo, case, found)
    # An optional read does without what never came, and without nothing else.
    missed = case.lost | ((found.faults >= 0) & ~case.stays)
    finds = np.zeros(len(case.need), np.uint8)
    for by, mark in zip(holding, _MARKS, strict=True):
        finds[by >= 0] |= mark
    became = spread(_kinds(case, found), finds, backs, missed)
    for back in backs:
        ranges = made.reads[back.position]
        for by, mark in zip(holding, _MARKS, strict=True):
            here = became == mark
            here &= missed | (not back.is_optional or mark == PLANNED)
            _entered(by, ranges.hits(counts(here), lo), back.position)
    return found


def _spread_faults(made: Made, lo: int, case: _Case, holds: _Holds) -> None:
    """Note which partitions lie behind a fault by way of earlier ones of their own dataset."""
    backs = backs_of(made.task)
    if not (holds.faults >= 0).any():
        return
    kinds = np.where(case.stays | (holds.late >= 0), selfreads.STILL, selfreads.FRESH)
    finds = np.where(holds.faults >= 0, PLANNED, 0).astype(np.uint8)
    behind = spread(kinds.astype(np.uint8), finds, backs) != 0
    for back in backs:
        _entered(holds.faults, made.reads[back.position].hits(counts(behind), lo), back.position)


_MARKS = (PLANNED, WAITS, BLOCKED)


def _sums(flow: Flow, back: Back) -> tuple[NDArray[np.int64] | None, ...]:
    """What a read of its own dataset finds before the task's first partition."""
    held = (flow.away, flow.broken) if back.is_optional else (flow.waits, flow.blocked)
    return flow.planned, *held


def _kinds(case: _Case, holds: _Holds) -> Codes:
    """What can become of each partition, as self-reads see it."""
    kinds = np.full(len(case.need), selfreads.FRESH, np.uint8)
    kinds[case.pinned] = selfreads.STILL
    kinds[case.need != Reason.NONE] = selfreads.NEEDED
    kinds[case.conflict | ((holds.faults >= 0) & ~case.stays)] = selfreads.BLOCKS
    kinds[holds.late >= 0] = selfreads.STILL
    return kinds
