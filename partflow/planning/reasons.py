"""Says in words why steps are planned, and groups them by node, range and reason.

Knows nothing of how a plan is made; it only reads one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

import numpy as np

from partflow.declarations.dataset import Dataset
from partflow.declarations.graph import outputs
from partflow.partitions.sets import PartitionSet
from partflow.planning.planner import Action, Plan, Reason, State, TaskPlan, wanted_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Group:
    """Partitions of one task with one action and one reason: how many, in which ranges of keys."""

    task: str
    nodes: tuple[str, ...]
    action: Action
    state: State
    reason: Reason
    cause: str
    text: str
    count: int
    ranges: tuple[tuple[str, str], ...]


def steps(plan: Plan) -> tuple[Group, ...]:
    """The steps of a plan: what will run, then what may run, in the graph's order."""
    groups = [g for t in plan.tasks.values() for g in _groups(t, t.action != Action.NONE)]
    return tuple(sorted(groups, key=lambda g: g.action is Action.MAYBE))


def held(plan: Plan) -> tuple[Group, ...]:
    """Those partitions that the request names which wait or are blocked, in the graph's order."""
    groups: list[Group] = []
    for planned in plan.tasks.values():
        stuck = (planned.state == State.WAITING) | (planned.state == State.BLOCKED)
        groups += _groups(planned, stuck & wanted_mask(plan.request, planned))
    return tuple(groups)


def _groups(planned: TaskPlan, among: NDArray[np.bool_]) -> list[Group]:
    """The partitions in the mask by action, state, reason and cause; sorted by their first keys."""
    if not among.any():
        return []
    # All four are packed into one number: to sort rows of four takes thirty times as long.
    mixed = planned.cause.astype(np.int64) + 1
    for column in (planned.reason, planned.state, planned.action):
        mixed = (mixed << 8) | column
    grain = planned.task.grain
    groups = []
    for number in np.unique(mixed[among]).tolist():
        action, state = Action(number & 255), State(number >> 8 & 255)
        reason, cause = Reason(number >> 16 & 255), _cause(planned, (number >> 24) - 1)
        at = PartitionSet.where(among & (mixed == number), planned.lo)
        groups.append(
            Group(
                planned.task.name,
                outputs(planned.task),
                action,
                state,
                reason,
                cause.name if cause else "",
                describe(planned, reason, cause),
                len(at),
                tuple((grain.key(lo), grain.key(hi - 1)) for lo, hi in at.ranges),
            )
        )
    return sorted(groups, key=lambda g: (g.ranges[0][0], g.reason))


def _cause(planned: TaskPlan, position: int) -> Dataset | None:
    return None if position < 0 else planned.task.inputs[position].read.dataset


_LEFT = {
    Reason.PAUSED: "paused",
    Reason.HELD: "failed with these inputs and this code, and is not tried again yet",
    Reason.BUSY: "a run under way is at it, or at what it reads",
    Reason.PERHAPS_DONE: "perhaps done: a run was cut off in it",
}


def describe(planned: TaskPlan, reason: Reason, cause: Dataset | None) -> str:  # noqa: C901, PLR0911, PLR0912 - one line a reason
    """A reason in words; `cause` is the dataset that it comes from, where there is one."""
    name = cause.name if cause else "an input"
    effect = planned.task.is_effect
    match reason:
        case Reason.NONE:
            return "fresh"
        case Reason.NEVER:
            return "not done yet" if effect else "never made"
        case Reason.GONE:
            return "its file is gone"
        case Reason.DAMAGED:
            return "its file cannot be read"
        case Reason.REFRESH:
            return "still corrected outside, so due for a refresh"
        case Reason.CODE:
            return f"the code of {planned.task.name} changed"
        case Reason.RECKONED:
            return f"the code of {planned.task.name} is reckoned anew"
        case Reason.INPUT:
            return f"{name} changed"
        case Reason.ASKED:
            return "asked for"
        case Reason.UPSTREAM:
            return f"if {name} changes"
        case Reason.CHANGED_OUTSIDE:
            return "changed outside partflow"
        case Reason.NOT_ASKED:
            return f"not asked for: it was due before {planned.task.name} was first seen"
        case Reason.PAUSED | Reason.HELD | Reason.BUSY | Reason.PERHAPS_DONE:
            return _LEFT[reason]
        case Reason.NOT_DUE:
            return f"waits for {name}, which is not due"
        case Reason.NOT_ARRIVED:
            why = "has not arrived" if cause and cause.is_source else "waits itself"
            return f"waits for {name}, which {why}"
        case Reason.BEHIND:
            why = "cannot be read" if cause and cause.is_source else "is blocked"
            return f"behind {name}, which {why}"
        case Reason.KEPT:
            return f"kept, though the code of {planned.task.name} changed"
        case Reason.MOVED:
            return f"kept, though {name} changed"
        case Reason.PINNED:
            return "pinned, by somebody's choice"
        case Reason.AWAY:
            return f"waits for {name}, whose file was there and is gone"
        case Reason.LAST_GOOD:
            why = "cannot be read" if cause and cause.is_source else "is blocked"
            return f"behind {name}, which {why}; what was made before stays"
    assert_never(reason)
