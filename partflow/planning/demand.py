"""Cuts a plan down to what is wanted and to what that needs.

Knows nothing of reasons: it starts at what is wanted, and follows upstream the ranges that tasks
read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.graph import outputs
from partflow.planning.plan import Action, Only, Plan, Reason, State, TaskPlan, wanted_mask
from partflow.planning.selfreads import backs_of, needed_before
from partflow.planning.snapshot import state_over

if TYPE_CHECKING:
    from partflow.planning.plan import Bounds, Mask


def restricted(whole: Plan, needed: Mapping[str, Mask]) -> Plan:
    """The plan without the steps that nothing wanted needs; states stay as they are."""
    tasks = {
        n: replace(t, action=np.where(needed[n], t.action, np.uint8(Action.NONE)))
        for n, t in whole.tasks.items()
    }
    return replace(whole, tasks=tasks)


def needed_of(whole: Plan) -> dict[str, Mask]:
    """For each task a mask of what is wanted and what that needs, without what is simply fresh."""
    return needed_by(whole, {name: _demand(whole, t) for name, t in whole.tasks.items()})


def needed_by(whole: Plan, asked: Mapping[str, Mask]) -> dict[str, Mask]:
    """For each task a mask of what is asked for and not simply fresh, and of what that needs."""
    needed = {name: mask & _restless(whole.tasks[name]) for name, mask in asked.items()}
    for planned in reversed(tuple(whole.tasks.values())):
        mine = needed[planned.task.name]
        if not mine.any():
            continue
        if planned.task.reads_itself:
            mine |= needed_before(mine, _restless(planned), backs_of(planned.task))
        for task_input, bounds in zip(planned.task.inputs, planned.bounds, strict=True):
            for writer in whole.graph.writers(task_input.read.dataset.name):
                if writer is not planned.task and writer.name in whole.tasks:
                    other = whole.tasks[writer.name]
                    read = covered(bounds, mine, other.lo, len(other.state))
                    needed[writer.name] |= read & _restless(other)
    return needed


def _demand(whole: Plan, planned: TaskPlan) -> Mask:
    """The wanted partitions that are not simply fresh; of a backfill those that `only` says."""
    if not (planned.action.any() or planned.state.any()):
        return np.zeros(len(planned.state), np.bool_)
    wanted = wanted_mask(whole.request, planned)
    force = whole.request.force
    if force is not None and force.only is not Only.ALL:
        states = [whole.snapshot.states[n] for n in outputs(planned.task)]
        failed = [state_over(s, planned.lo, planned.hi).failed for s in states]
        missing = (planned.need == Reason.NEVER) | (planned.need == Reason.GONE)
        wanted &= {
            Only.MISSING: missing,
            Only.STALE: (planned.need != Reason.NONE) & ~missing,
            Only.FAILED: np.logical_or.reduce(failed),
        }[force.only]
    return np.asarray(wanted & _restless(planned))


def _restless(planned: TaskPlan) -> Mask:
    """What is not simply fresh: it will or may be made, or it would have to be and cannot.

    What is stale and stays as it is, since it is paused, needs nothing of what it reads.
    """
    left = (planned.state == State.STALE) & (planned.reason == Reason.PAUSED)
    return np.asarray((planned.action != Action.NONE) | ((planned.state != State.FRESH) & ~left))


def covered(bounds: Bounds, chosen: Mask, lo: int, n: int) -> Mask:
    """Which of the `n` ordinals from `lo` on lie in any of the chosen ranges."""
    a, b = (np.clip(ends[chosen] - lo, 0, n) for ends in bounds)
    change = np.bincount(a, minlength=n + 1) - np.bincount(np.maximum(a, b), minlength=n + 1)
    return np.asarray(np.cumsum(change[:-1]) > 0)
