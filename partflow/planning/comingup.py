"""Says when time alone changes a plan: the next moment at which anything becomes due once more.

Knows nothing of who waits for it, or of what is late. Until that moment a plan of what is recorded
now stays as it is, unless somebody changes a file or makes a partition.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.dataset import Source
from partflow.declarations.graph import outputs
from partflow.partitions.calendar import Whole
from partflow.planning.asking import next_asked_at
from partflow.planning.partial import waited_until
from partflow.planning.plan import CLOCK_SLACK, Plan, State, TaskPlan
from partflow.planning.snapshot import state_over
from partflow.planning.upstream import horizon_of, task_span

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.declarations.mapping import Extent
    from partflow.partitions.grain import Grain


def changes_at(plan: Plan) -> int | None:
    """The first moment after the plan's own at which time changes it, in epoch seconds.

    That is when a partition becomes due, when a rest of a read is no longer waited for, when one
    that has not settled is made again, or when a source without files is asked again after a pause
    of its own. What is to be asked about by now changes the next second. None if no such moment
    will come.
    """
    return min((int(m) for m in _moments(plan)), default=None)


def _moments(plan: Plan) -> Iterator[int | np.int64]:
    graph, now = plan.graph, plan.snapshot.now
    for name, dataset in graph.datasets.items():
        if isinstance(dataset, Source):
            yield from _due(
                dataset.grain, graph.dataset_extents[name], horizon_of(graph, name, now)
            )
            book = plan.snapshot.asked.get(name)
            if book is not None and dataset.refreshing:
                asked = next_asked_at(dataset, book)
                yield from () if asked is None else (max(asked, now + 1),)
    for name, planned in plan.tasks.items():
        task, lag = planned.task, int(planned.task.options.lag.total_seconds())
        for ended in _due(task.grain, graph.task_extents[name], task_span(graph, task, now)[1]):
            yield ended + lag
        for moments in (*_refreshes(plan, planned), *_waits(planned)):
            later = moments[moments > now]
            yield from (later.min(),) if len(later) else ()


def _due(grain: Grain, extent: Extent, horizon: int) -> Iterator[int]:
    """When the interval ends that is the first one that has not; nothing if there is none."""
    if not isinstance(grain, Whole) and (extent.hi is None or horizon < extent.hi):
        yield grain.interval(horizon).end


def _refreshes(plan: Plan, planned: TaskPlan) -> Iterator[NDArray[np.int64]]:
    """When each partition that was made before it had settled is due for a refresh."""
    options, task = planned.task.options, planned.task
    if options.settles_after is None:
        return
    own = state_over(plan.snapshot.states[outputs(task)[0]], planned.lo, planned.hi)
    settles = task.grain.edges(planned.lo, planned.hi)[1:] + int(
        options.settles_after.total_seconds()
    )
    every = options.refresh_every
    again = own.made_at + (0 if every is None else int(every.total_seconds()))
    is_open = (own.seq > 0) & (own.made_at < settles)
    yield np.minimum(again, settles)[is_open]
    # By a clock that was ahead: it is refreshed until that moment has come.
    yield own.made_at[own.seq > 0] - CLOCK_SLACK


def _waits(planned: TaskPlan) -> Iterator[NDArray[np.int64]]:
    """Until when each waiting partition waits for all of a read of which a part is enough."""
    for task_input in planned.task.inputs:
        if task_input.read.wait:
            until = waited_until(task_input.read, planned.task, planned.lo, planned.hi)
            yield until[planned.state == State.WAITING]
