"""Decides what has to be made, and why: graph x snapshot x request -> plan.

Knows nothing of files, clocks or runs. Dry run, `why`, `status` and the run all read one `Plan`.
Tasks are planned one after another, each after what it reads. All that is known of a task is arrays
over its ordinals. What a partition reads of a dataset is a range `[a, b)` of ordinals, so that "is
anything that I read stale" and "what is the digest of my window" are differences of prefix sums.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.graph import Graph, outputs
from partflow.declarations.task import Task
from partflow.partitions.calendar import Whole
from partflow.planning import selfreads
from partflow.planning.aside import LeftAside, aside_of
from partflow.planning.demand import needed_of, restricted
from partflow.planning.faults import faults_of
from partflow.planning.footprint import Footprint, together
from partflow.planning.needs import Considered, Look, at_rest, disputed, forced, needs_of, not_asked
from partflow.planning.partial import enough
from partflow.planning.plan import (
    Action,
    Automatic,
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
    "Automatic",
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
    """What is known of the tasks that have been planned so far.

    `late` holds for each `(lo, n, mask)`: which of its `n` partitions from `lo` on are not due, or
    None if all are. `faults` holds which partitions of its plan lie behind a fault, or None if none
    does. `still` keeps what `nothing` made. `busy` is what runs under way touch.
    """

    look: Look
    tasks: dict[str, TaskPlan] = field(default_factory=dict)
    late: dict[str, tuple[int, int, Mask | None]] = field(default_factory=dict)
    faults: dict[str, Mask | None] = field(default_factory=dict)
    flows: Flows = field(init=False)
    busy: Footprint = field(init=False)
    still: dict[int, tuple[Codes, Causes, Causes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        automatic = self.look.request.automatic
        self.busy = together(automatic.busy if automatic is not None else ())
        self.flows = Flows(self.look.graph, self.look.snapshot, self.tasks, self.late, self.faults)

    def nothing(self, n: int) -> tuple[Codes, Causes, Causes]:
        """Zeros, -1 for no cause, and 0 for no read that moved.

        These arrays are shared by all tasks with `n` partitions at rest.
        """
        if n not in self.still:
            zeros, none = np.zeros(n, np.uint8), np.full(n, -1, np.int16)
            unmoved = np.zeros(n, np.int16)
            for array in (zeros, none, unmoved):
                array.flags.writeable = False
            self.still[n] = zeros, none, unmoved
        return self.still[n]


@dataclass(frozen=True, slots=True)
class _Holds:
    """What the reads of each partition find: the position of the first read that does, or -1.

    There is an array each for partitions that are blocked, not due (`late`), waiting or planned;
    for those behind a fault, which block even what was made; and for those of a source whose file
    was there and is gone (`away`).
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
    chooses = request.force is not None and request.force.only is not Only.ALL
    if request.wanted is None and not chooses:
        return replace(whole, faults=faults_of(whole, None))
    needed = needed_of(whole)
    return replace(restricted(whole, needed), faults=faults_of(whole, needed))


def _plan_task(work: _Work, task: Task) -> TaskPlan:
    """A task's part of the plan; notes in `work` what the tasks that read it will ask."""
    look = work.look
    lo, hi = task_span(look.graph, task, look.snapshot.now)
    flows = [work.flows.of(i.read.dataset.name) for i in task.inputs]
    reads = [work.flows.read(i.read, task, lo, hi) for i in task.inputs]
    late = _late(task, flows, reads, lo, hi - lo)
    work.late[task.name] = (lo, hi - lo, None if late is None else late >= 0)
    first, end = _considered_span(work, task, (lo, hi), late)
    part = slice(first - lo, end - lo)
    reads = [ranges.cut(part) for ranges in reads]
    own = [state_over(look.snapshot.states[n], first, end) for n in outputs(task)]
    considered = Considered(task, own, flows, reads)
    bounds = tuple((ranges.a, ranges.b) for ranges in reads)
    work.faults[task.name] = None
    if late is None and at_rest(look, considered):
        zeros, none, unmoved = work.nothing(end - first)
        return TaskPlan(task, first, zeros, zeros, zeros, none, zeros, bounds, unmoved)
    aside = aside_of(look, considered, (first, end), work.busy)
    case = _case(look, considered, (first, end), aside)
    unasked = not_asked(look, task, (first, end), _newest_due(late, lo, hi))
    if unasked is not None:
        case = replace(case, unasked=unasked & (case.need == Reason.NEVER))
    late = np.full(end - first, -1, np.int16) if late is None else late[part]
    holds = _holds(look, considered, first, late)
    if task.reads_itself:
        holds = _with_itself(considered, first, case, holds)
    faults = (holds.faults >= 0) & ~case.apart
    work.faults[task.name] = faults if faults.any() else None
    return TaskPlan(task, first, *_decided(case, holds), bounds, case.moved)


def _late(task: Task, flows: list[Flow], reads: list[Ranges], lo: int, n: int) -> Causes | None:
    """For each of `n` partitions from `lo` on the first read that is not due, or -1.

    A read is not due if one of the partitions that it covers is not. Reads that do without what
    is not there do not count, nor do those of a task that is Whole. None if all reads of all
    partitions are due.
    """
    strict = [p for p, i in enumerate(task.inputs) if not i.read.does_without]
    ends = any(n and reads[p].b[-1] > flows[p].hi for p in strict)
    if isinstance(task.grain, Whole) or not (
        ends or any(flows[p].late is not None for p in strict)
    ):
        return None
    late = np.full(n, -1, np.int16)
    for position in strict:
        flow, ranges = flows[position], reads[position]
        _enter(late, ranges.b > np.maximum(ranges.a, flow.hi), position)
        _enter(late, ranges.hits(flow.late, flow.lo), position)
    if not (late >= 0).any():
        return None
    backs = [back for back in backs_of(task) if not back.is_optional]
    if backs:
        # What reads a partition that is late is late, too: that spreads as a planned one does.
        kinds, finds = np.full(n, selfreads.FRESH, np.uint8), np.where(late >= 0, PLANNED, 0)
        spreading = counts(spread(kinds, finds.astype(np.uint8), backs) != 0)
        for back in backs:
            _enter(late, reads[back.position].hits(spreading, lo), back.position)
    return late


def _newest_due(late: Causes | None, lo: int, hi: int) -> int | None:
    """The last ordinal in `[lo, hi)` all of whose reads are due; None if there is none."""
    if late is None:
        return hi - 1 if lo < hi else None
    due = np.flatnonzero(late < 0)
    return lo + int(due[-1]) if len(due) else None


def _enter(positions: Causes, hit: Mask | None, position: int) -> None:
    """Enter a read's position where it hits, unless that of an earlier read stands there."""
    if hit is not None:
        positions[hit & ((positions < 0) | (positions > position))] = position


def _considered_span(
    work: _Work, task: Task, span: tuple[int, int], late: Causes | None
) -> tuple[int, int]:
    """The ordinals `[first, end)` of `span` that the plan considers: all, for most tasks.

    With `only="latest"` it is the newest one that is due. Of an effect it is those that became due
    since the effect was first seen, unless the request is one with effects.
    """
    lo, end = span
    if not task.is_effect and task.options.only is None:
        return span
    if late is not None:
        due = np.flatnonzero(late < 0)
        end = lo + int(due[-1]) + 1 if len(due) else lo
    if task.options.only == "latest":
        return max(lo, end - 1), end
    if work.look.request.with_effects:
        return lo, end
    since = work.look.snapshot.effects_since.get(task.name, end - 1)
    if is_ahead(task, since, work.look.snapshot.now):  # a clock was ahead when it was first seen
        since = end - 1
    return max(lo, min(since, end)), end


@dataclass(frozen=True, slots=True)
class _Case:
    """What is known of each partition by itself, whatever holds up what it reads.

    The first five are as in `Needs`. `conflict`: somebody has to settle what becomes of it, for the
    reason `dispute`. `lost`: it was made, and its file is gone or cannot be read. `unasked`: it was
    never made, and is not to be unless somebody asks for it. `aside` says what is left aside.
    """

    need: Codes
    cause: Causes
    kept: Codes
    moved: Causes
    stays: Mask
    conflict: Mask
    lost: Mask
    dispute: Reason
    unasked: Mask
    aside: LeftAside

    @property
    def lacks(self) -> Mask:
        """Which are paused and are not there, so that their readers wait."""
        needed = (self.need != Reason.NONE) & ~self.conflict
        return np.asarray(self.aside.paused & needed & ~self.stays)

    @property
    def apart(self) -> Mask:
        """Which hang on nothing upstream: what stays, and what is left and not there."""
        return np.asarray(self.stays | self.lacks | (self.unasked & ~self.conflict))


def _case(look: Look, considered: Considered, span: tuple[int, int], aside: LeftAside) -> _Case:
    """What is known of each partition by itself; a backfill that asks for it ends a conflict.

    What is paused stays as it is, if it is there.
    """
    own = considered.own
    needs = forced(look, considered, needs_of(look, considered), span)
    lost = [(s.condition == Condition.GONE) | (s.condition == Condition.DAMAGED) for s in own]
    conflict = disputed(look, considered.task, own, span) & (needs.need != Reason.ASKED)
    at_rest_so_far = (needs.need == Reason.NONE) & ~conflict
    is_there = ~np.isin(needs.need, (Reason.NEVER, Reason.GONE, Reason.DAMAGED)) & ~conflict
    stays = (needs.stays & at_rest_so_far) | (aside.paused & is_there)
    return _Case(
        needs.need, needs.cause, needs.kept, np.where(at_rest_so_far, needs.moved, np.int16(0)),
        stays, conflict, np.logical_or.reduce(lost),
        Reason.PERHAPS_DONE if considered.task.is_effect else Reason.CHANGED_OUTSIDE,
        np.zeros(len(conflict), np.bool_), aside,
    )  # fmt: skip


def _holds(look: Look, considered: Considered, lo: int, late: Causes) -> _Holds:
    """What the reads find, but for the task's reads of its own dataset; see `_with_itself`."""
    blocks, waits, planned, faults, away = (np.full(len(late), -1, np.int16) for _ in range(5))
    for position, task_input in enumerate(considered.task.inputs):
        read, flow, ranges = task_input.read, considered.flows[position], considered.reads[position]
        if read.is_partial:
            lacks = _lacks(look, considered, lo, position)
            is_stuck = ranges.hits(flow.blocked, flow.lo)
            is_stuck = np.zeros(len(late), np.bool_) if is_stuck is None else is_stuck
            _enter(waits, lacks & ~is_stuck, position)
            _enter(blocks, lacks & is_stuck, position)
        if read.dataset in considered.task.writes or flow.is_quiet:
            continue
        waiting, blocked, spoilt = flow.waits, flow.blocked, flow.faults
        if read.is_optional:
            waiting, blocked = flow.away, flow.broken
        elif read.is_partial:
            waiting, blocked, spoilt = flow.away, flow.spoilt, flow.spoilt_faults
        _enter(planned, ranges.hits(flow.planned, flow.lo), position)
        _enter(waits, ranges.hits(waiting, flow.lo), position)
        _enter(blocks, ranges.hits(blocked, flow.lo), position)
        if read.dataset.is_source:
            _enter(away, ranges.hits(flow.away, flow.lo), position)
        _enter(faults, ranges.hits(spoilt, flow.lo), position)
    return _Holds(blocks, late, waits, planned, faults, away)


def _lacks(look: Look, considered: Considered, lo: int, position: int) -> Mask:
    """Where less of a read is there, or is made before, than is enough of it.

    Of several partitions those that were given up count, since nothing is left to wait for.
    """
    flow, ranges = considered.flows[position], considered.reads[position]
    read, bounds = considered.task.inputs[position].read, (ranges.a, ranges.b)
    needed = enough(read, considered.task, lo, bounds, look.snapshot.now)
    come = ranges.counted(flow.hoped, flow.lo)
    if read.least is not None and flow.given_up is not None:
        come = come + ranges.counted(flow.given_up, flow.lo)
    return np.asarray(come < needed)


def _decided(case: _Case, holds: _Holds) -> tuple[Codes, Codes, Codes, Causes, Codes]:
    """State, need, reason, cause and action of each partition.

    Where several rules hold of a partition, the one that is applied last counts.
    """
    n, need = len(case.need), case.need
    fresh = need == Reason.NONE
    needed = ~fresh & ~case.conflict
    missing = (need == Reason.NEVER) | (need == Reason.GONE)
    state = np.full(n, State.FRESH, np.uint8)
    state[needed] = np.where(missing[needed], State.MISSING, State.STALE)
    reason, cause = need.copy(), case.cause.copy()
    action = np.where(needed, Action.RUN, Action.NONE).astype(np.uint8)
    is_held = case.aside.busy.copy()
    busy = needed & is_held
    state[busy], reason[busy], cause[busy] = State.WAITING, Reason.BUSY, -1
    action[busy] = Action.NONE
    # It has to be made, and cannot be: something that it reads has not arrived, is not due, or is
    # blocked.
    for by, why, becomes in (
        (holds.waits, Reason.NOT_ARRIVED, State.WAITING),
        (holds.late, Reason.NOT_DUE, State.WAITING),
        (holds.blocks, Reason.BEHIND, State.BLOCKED),
    ):
        here = needed & (by >= 0)
        is_held |= by >= 0
        state[here], reason[here], cause[here], action[here] = becomes, why, by[here], Action.NONE
        if why is Reason.NOT_ARRIVED:
            reason[here & (holds.away == by)] = Reason.AWAY
    for here, why, becomes in _left(case, needed, needed & (holds.late < 0)):
        state[here], reason[here], cause[here], action[here] = becomes, why, -1, Action.NONE
    # It is fresh, perhaps because it is kept; or it is the last good one before a fault.
    reason[fresh] = case.kept[fresh]
    behind = fresh & (holds.faults >= 0) & ~case.stays
    state[behind], reason[behind], cause[behind] = (
        State.BLOCKED, Reason.LAST_GOOD, holds.faults[behind]
    )  # fmt: skip
    # Something that it reads is made first, and may come out the same.
    can_change = fresh & ~is_held & ~case.conflict & ~case.stays
    maybe = can_change & (holds.planned >= 0)
    reason[maybe], cause[maybe] = Reason.UPSTREAM, holds.planned[maybe]
    action[maybe] = Action.MAYBE
    # Somebody changed its file, or it is perhaps done: that is theirs to settle.
    conflict = case.conflict
    state[conflict], reason[conflict], cause[conflict] = State.BLOCKED, case.dispute, -1
    return state, need, reason, cause, action


def _left(case: _Case, needed: Mask, due: Mask) -> list[tuple[Mask, Reason, State]]:
    """What has to be made and is left all the same, why, and its state; the last one counts.

    `due` are those of the needed that are due.
    """
    lacks = case.lacks
    return [
        (due & case.aside.held, Reason.HELD, State.BLOCKED),
        (due & case.aside.paused & ~lacks, Reason.PAUSED, State.STALE),
        (due & lacks, Reason.PAUSED, State.WAITING),
        # It was due before its task was first seen, and nobody has asked for it.
        (needed & case.unasked, Reason.NOT_ASKED, State.WAITING),
    ]


def _with_itself(considered: Considered, lo: int, case: _Case, holds: _Holds) -> _Holds:
    """The holds, with what reads of the task's own dataset find in earlier partitions of it."""
    backs = backs_of(considered.task)
    joined = _Holds(
        holds.blocks.copy(), holds.late, holds.waits.copy(), holds.planned.copy(),
        holds.faults.copy(), holds.away,
    )  # fmt: skip
    marked = (joined.planned, joined.waits, joined.blocks)  # in the order of _MARKS
    for back in backs:
        # Partitions before `lo` are those of other tasks that write this dataset, planned already.
        flow, ranges = considered.flows[back.position], considered.reads[back.position]
        before = Ranges(ranges.a, np.maximum(ranges.a, np.minimum(ranges.b, lo)), None)
        for by, sums in zip(marked, _sums(flow, back), strict=True):
            _enter(by, before.hits(sums, flow.lo), back.position)
        _enter(joined.faults, before.hits(flow.faults, flow.lo), back.position)
    _spread_faults(considered, lo, case, joined)
    # An optional read can do without a partition that never was, but not without these.
    missed = case.lost | ((joined.faults >= 0) & ~case.apart)
    finds = np.where(case.aside.busy, WAITS, 0).astype(np.uint8)
    for by, mark in zip(marked, _MARKS, strict=True):
        finds[by >= 0] |= mark
    became = spread(_kinds(case, joined), finds, backs, missed)
    for back in backs:
        ranges = considered.reads[back.position]
        for by, mark in zip(marked, _MARKS, strict=True):
            here = became == mark
            here &= missed | (not back.is_optional or mark == PLANNED)
            _enter(by, ranges.hits(counts(here), lo), back.position)
    return joined


def _spread_faults(considered: Considered, lo: int, case: _Case, holds: _Holds) -> None:
    """Enter in `holds` which partitions lie behind a fault of earlier ones of their own dataset."""
    backs = backs_of(considered.task)
    if not (holds.faults >= 0).any():
        return
    kinds = np.where(case.apart | (holds.late >= 0), selfreads.STILL, selfreads.FRESH)
    finds = np.where(holds.faults >= 0, PLANNED, 0).astype(np.uint8)
    behind = spread(kinds.astype(np.uint8), finds, backs) != 0
    for back in backs:
        ranges = considered.reads[back.position]
        _enter(holds.faults, ranges.hits(counts(behind), lo), back.position)


_MARKS = (PLANNED, WAITS, BLOCKED)


def _sums(flow: Flow, back: Back) -> tuple[NDArray[np.int64] | None, ...]:
    """The sums of what a task's read of its own dataset can find, in the order of `_MARKS`."""
    if back.is_optional:
        return flow.planned, flow.away, flow.broken
    return flow.planned, flow.waits, flow.blocked


def _kinds(case: _Case, holds: _Holds) -> Codes:
    """The kind of each partition, as `selfreads` has them."""
    kinds = np.full(len(case.need), selfreads.FRESH, np.uint8)
    kinds[case.stays] = selfreads.STILL
    kinds[case.need != Reason.NONE] = selfreads.NEEDED
    kinds[case.aside.held & (case.need != Reason.NONE)] = selfreads.BLOCKS
    kinds[case.conflict | ((holds.faults >= 0) & ~case.stays)] = selfreads.BLOCKS
    if case.aside.paused.any():
        kinds[case.lacks] = selfreads.LACKS
        kinds[case.aside.paused & case.stays] = selfreads.STILL
    kinds[holds.late >= 0] = selfreads.STILL
    return kinds
