"""A look at a project's warehouse, and a run of what is due there.

Knows nothing of when either is to be done.
"""

from __future__ import annotations

import numpy as np

from partflow.declarations.graph import outputs
from partflow.execution.controls import Controls, Result
from partflow.partitions.sets import PartitionSet
from partflow.planning.nextchange import next_change
from partflow.planning.plan import Action, Plan, Request, TaskPlan
from partflow.project.project import Project
from partflow.scheduler.outlook import Outlook, Steps


def looked(project: Project, graph: str, *, at_all: bool) -> Outlook:
    """What could be made now, what is wrong, and when time alone changes that.

    MetastoreError or OSError if the record or the disk do not let it look.
    """
    del at_all
    project.ask_sources()
    at, plan = project.clock() / 1e9, project.plan()
    steps = {name: _steps(planned) for name, planned in plan.tasks.items()}
    begins = {name: s for name, s in steps.items() if len(s.ordinals)}
    return Outlook(at, begins, {}, changes_at=next_change(plan), looked_at_all=at, graph=graph)


def made(project: Project, at_most: int, controls: Controls) -> Result:
    """Make at most so many of the partitions that are missing or stale; as `Project.make`."""
    return project.make(_request(project.plan(), at_most), controls)


def _steps(planned: TaskPlan) -> Steps:
    ordinals = np.flatnonzero(planned.action == Action.RUN).astype(np.int64) + planned.lo
    zeros = np.zeros(len(ordinals), np.int64)
    return Steps(planned.task.name, ordinals, zeros.astype(np.uint64), zeros)


def _request(plan: Plan, at_most: int) -> Request:
    wanted, left = {}, at_most
    for planned in plan.tasks.values():
        ordinals = _steps(planned).ordinals[-left:] if left else ()
        left -= len(ordinals)
        chosen = PartitionSet.of((int(o), int(o) + 1) for o in ordinals)
        wanted.update(dict.fromkeys(outputs(planned.task), chosen))
    return Request(wanted)
