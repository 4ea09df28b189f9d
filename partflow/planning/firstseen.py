"""Says from which partition on a task with `catchup=False` makes all, once it is first seen.

Knows nothing of where that is noted.
"""

from __future__ import annotations

import numpy as np

from partflow.planning.plan import Plan, Reason


def caught_up_from(plan: Plan) -> dict[str, int]:
    """For each task with `catchup=False` the ordinal of its newest due partition.

    If none is due, it is the first one. Tasks of which the plan has no partition are left out.
    """
    newest = {}
    for name, planned in plan.tasks.items():
        if not planned.task.options.catchup and len(planned.state):
            due = np.flatnonzero(planned.reason != Reason.NOT_DUE)
            newest[name] = planned.lo + (int(due[-1]) if len(due) else 0)
    return newest


def is_news(plan: Plan) -> bool:
    """Whether the plan has such a task that no run has seen before."""
    return bool(caught_up_from(plan).keys() - plan.snapshot.effects_since.keys())
