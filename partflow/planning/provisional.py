"""Says which fresh partitions are provisional: they were made before all that they are of had come.

Knows nothing of who is told. A provisional partition is made again by itself: when the rest of
what it reads comes, or, with `settles_after`, by a refresh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.graph import outputs
from partflow.planning.plan import Plan, Reason, State, TaskPlan
from partflow.planning.snapshot import Condition, state_over

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.planning.plan import Bounds, Mask


def provisional(plan: Plan, planned: TaskPlan) -> Mask:
    """Which of a task's fresh partitions are provisional.

    What is pinned, or made once, stays as it is, and so is not.
    """
    task, n = planned.task, len(planned.state)
    mask = np.zeros(n, np.bool_)
    if task.options.on_input_change == "keep":
        return mask
    for position, task_input in enumerate(task.inputs):
        if task_input.read.least is not None:
            a, b = planned.bounds[position]
            come = there(plan, planned, position) + _given_up(plan, planned, position)
            mask |= come < b - a
    if task.options.settles_after is not None:
        own = state_over(plan.snapshot.states[outputs(task)[0]], planned.lo, planned.hi)
        ends = task.grain.edges(planned.lo, planned.hi)[1:]
        mask |= own.made_at < ends + int(task.options.settles_after.total_seconds())
    stays = (planned.state != State.FRESH) | (planned.reason == Reason.PINNED)
    return np.asarray(mask & ~stays)


def there(plan: Plan, planned: TaskPlan, position: int) -> NDArray[np.int64]:
    """How many partitions of one read have a content, for each of a task's partitions."""
    state = plan.snapshot.states[planned.task.inputs[position].read.dataset.name]
    known = (state.content[:, 0] | state.content[:, 1]) != 0
    return _counted(known, state.lo, planned.bounds[position])


def _given_up(plan: Plan, planned: TaskPlan, position: int) -> NDArray[np.int64]:
    """How many partitions of one read do not come any more."""
    state = plan.snapshot.states[planned.task.inputs[position].read.dataset.name]
    is_given_up = state.condition == Condition.GIVEN_UP
    return _counted(is_given_up, state.lo, planned.bounds[position])


def _counted(mask: Mask, lo: int, bounds: Bounds) -> NDArray[np.int64]:
    """How many partitions of each range are in a mask, which begins at the ordinal `lo`."""
    sums = np.concatenate(([0], np.cumsum(mask)))
    a, b = (np.take(sums, ends - lo, mode="clip") for ends in bounds)
    return np.asarray(np.maximum(b - a, 0))
