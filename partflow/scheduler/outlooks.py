"""Makes an outlook: what runs by itself could make now, what is wrong, and when that changes.

Pure: from a graph, a snapshot and what is remembered. Knows nothing of how a look is taken, nor of
what is decided from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from partflow.partitions.calendar import Whole
from partflow.partitions.sets import PartitionSet
from partflow.planning.digests import joined
from partflow.planning.nextchange import next_change
from partflow.planning.plan import Action, Automatic, Plan, Request, TaskPlan
from partflow.planning.planner import plan
from partflow.planning.upstream import Flows, Ranges
from partflow.scheduler.outlook import Outlook, Steps
from partflow.scheduler.roots import troubles_of
from partflow.scheduler.tries import Memory, Tries, held, next_try, without_what_is_over

if TYPE_CHECKING:
    from partflow.declarations.graph import Graph
    from partflow.planning.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Prospect:
    """The plan of what runs by itself, and what of the remembered tries still stands.

    `tried_at` is when the next of these is tried again, in epoch seconds; None if none is held.
    """

    plan: Plan
    failing: Memory
    tried_at: float | None


def prospect(
    graph: Graph, snapshot: Snapshot, automatic: Automatic, memory: Memory, now: float
) -> Prospect:
    """Plan what runs by itself, without the remembered steps that are not to be tried yet.

    What failed stands while its step would be made with the same inputs and code, if nothing were
    held and no run under way. Of `automatic` all counts but what it says is held.
    """
    failing: Memory = {}
    steps: dict[str, Steps] = {}
    if memory:
        bare = replace(automatic, held={}, busy=())
        steps = steps_of(plan(graph, snapshot, Request(automatic=bare)), memory)
        failing = without_what_is_over(memory, steps)
    waits = {name: _ordinals(held(tries, steps[name], now)) for name, tries in failing.items()}
    request = Request(automatic=replace(automatic, held={n: at for n, at in waits.items() if at}))
    return Prospect(plan(graph, snapshot, request), failing, next_try(failing, steps, now))


def outlook_of(found: Prospect, at: float, *, looked_at_all: float, graph: str) -> Outlook:
    """What is seen at `at`; `looked_at_all` and `graph` are as in `Outlook`."""
    steps = {name: each for name, each in steps_of(found.plan).items() if len(each.ordinals)}
    moments = [m for m in (next_change(found.plan), found.tried_at) if m is not None]
    return Outlook(
        at,
        steps,
        found.failing,
        troubles_of(found.plan, found.failing),
        min(moments, default=None),
        looked_at_all,
        graph,
    )


def steps_of(planned: Plan, names: Iterable[str] | None = None) -> dict[str, Steps]:
    """The steps that will run of each task, or of each of these tasks, with their digests."""
    flows = Flows(planned.graph, planned.snapshot, {}, {}, {})
    chosen = planned.tasks if names is None else planned.tasks.keys() & set(names)
    return {n: _steps(planned, t, flows) for n, t in planned.tasks.items() if n in chosen}


def _steps(whole: Plan, planned: TaskPlan, flows: Flows) -> Steps:
    task, runs = planned.task, planned.action == Action.RUN
    ordinals = np.flatnonzero(runs).astype(np.int64) + planned.lo
    due, digests = np.zeros(len(ordinals), np.int64), np.zeros(len(ordinals), np.uint64)
    if len(ordinals):
        reads = [
            Ranges.of(a[runs], b[runs]).digests(flows.of(task_input.read.dataset.name))
            for task_input, (a, b) in zip(task.inputs, planned.bounds, strict=True)
        ]
        digests = joined(whole.snapshot.codes[task.name], reads, len(ordinals))
        if not isinstance(task.grain, Whole):
            ends = task.grain.edges(planned.lo, planned.hi)[1:]
            due = ends[runs] + int(task.options.lag.total_seconds())
    return Steps(task.name, ordinals, digests, due, task.options.retry_delay.total_seconds())


def _ordinals(tries: Tries) -> PartitionSet:
    return PartitionSet.joined(tries.ordinals, tries.ordinals + 1)
