"""Says when time alone changes a plan, or what is late: what comes due, settles, or is waited for.

Knows nothing of sleeping. Between the moment of a snapshot and the one that is found here, a plan
of the same files and records is the same plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from partflow.declarations.dataset import Source
from partflow.declarations.graph import outputs
from partflow.partitions.calendar import Whole
from partflow.planning.asking import next_asked_at
from partflow.planning.lateness import next_lateness
from partflow.planning.needs import refresh_pause
from partflow.planning.partial import waited_until
from partflow.planning.plan import CLOCK_SLACK, Plan, State, TaskPlan
from partflow.planning.snapshot import Condition, state_over
from partflow.planning.upstream import horizon_of, is_ahead, task_span

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from partflow.declarations.mapping import Extent
    from partflow.partitions.calendar import Grain


def next_change(plan: Plan) -> int | None:
    """The first moment after the snapshot's, in epoch seconds, that changes something by itself.

    None if none does: then only files, records, code and people can.
    """
    moments = [
        *_due(plan),
        *(moment for planned in plan.tasks.values() for moment in _of_task(plan, planned)),
        *_asked(plan),
        *_caught_up(plan),
        *_given_up(plan),
        *(pause.until for pause in plan.snapshot.paused.values() if pause.until is not None),
        plan.snapshot.newest_at - CLOCK_SLACK,
    ]
    late = next_lateness(plan)
    if late is not None:
        moments.append(late)
    return min((moment for moment in moments if moment > plan.snapshot.now), default=None)


def _due(plan: Plan) -> Iterator[int]:
    """When the next partition of each task and source becomes due."""
    graph, now = plan.graph, plan.snapshot.now
    nexts = {
        (task.grain, task_span(graph, task, now)[1], int(task.options.lag.total_seconds()))
        for task in graph.tasks
        if _goes_on(task.grain, graph.task_extents[task.name], task_span(graph, task, now)[1])
    }
    for name, dataset in graph.datasets.items():
        end = horizon_of(graph, name, now)
        if dataset.is_source and _goes_on(dataset.grain, graph.dataset_extents[name], end):
            nexts.add((dataset.grain, end, 0))
    for grain, ordinal, lag in nexts:
        yield grain.interval(ordinal).end + lag


def _asked(plan: Plan) -> Iterator[int]:
    """When each source without files is asked again that says how often; a second on if by now."""
    for name, book in plan.snapshot.asked.items():
        source = plan.graph.datasets[name]
        if isinstance(source, Source) and source.refreshing:
            again = next_asked_at(source, book)
            yield from () if again is None else (max(again, plan.snapshot.now + 1),)


def _caught_up(plan: Plan) -> Iterator[int]:
    """When the clock has caught up with each task that was first seen by one that was ahead."""
    for task in plan.graph.tasks:
        since = plan.snapshot.effects_since.get(task.name)
        if since is not None and is_ahead(task, since, plan.snapshot.now):
            lag = int(task.options.lag.total_seconds())
            yield task.grain.interval(since).end + lag - CLOCK_SLACK


def _given_up(plan: Plan) -> Iterator[int]:
    """When the next partition of each source is given up that has not come."""
    for name, source in plan.graph.datasets.items():
        if isinstance(source, Source) and source.gives_up is not None:
            state = plan.snapshot.states[name]
            ends = source.grain.edges(state.lo, state.hi)[1:]
            away = ends[state.condition == Condition.ABSENT]
            yield from _soonest(away + int(source.gives_up.total_seconds()), plan.snapshot.now)


def _goes_on(grain: Grain, extent: Extent, end: int) -> bool:
    """Whether there can be a partition with the ordinal `end`."""
    return not isinstance(grain, Whole) and (extent.hi is None or end < extent.hi)


def _of_task(plan: Plan, planned: TaskPlan) -> Iterator[int]:
    """When a partition is refreshed, or settled, and when it waits no longer for a part."""
    task, now = planned.task, plan.snapshot.now
    if not len(planned.state):
        return
    if task.options.settles_after is not None:
        yield from _refreshes(plan, planned)
    for task_input in task.inputs:
        read = task_input.read
        waits = planned.state == State.WAITING
        if read.least is None or not read.wait or isinstance(task.grain, Whole) or not waits.any():
            continue
        yield from _soonest(waited_until(read, task, planned.lo, planned.hi)[waits], now)


def _refreshes(plan: Plan, planned: TaskPlan) -> Iterator[int]:
    options, now = planned.task.options, plan.snapshot.now
    assert options.settles_after is not None
    state = state_over(plan.snapshot.states[outputs(planned.task)[0]], planned.lo, planned.hi)
    settled_at = planned.task.grain.edges(planned.lo, planned.hi)[1:] + int(
        options.settles_after.total_seconds()
    )
    made = state.seq > 0
    # By a clock that was ahead: it is refreshed until that moment has come.
    yield from _soonest(state.made_at[made] - CLOCK_SLACK, now)
    unsettled = made & (state.made_at < settled_at)
    yield from _soonest(settled_at[unsettled], now)
    pause = refresh_pause(planned.task, plan.request)
    if pause:
        yield from _soonest(state.made_at[unsettled] + pause, now)


def _soonest(moments: NDArray[np.int64], now: int) -> list[int]:
    """The first of the moments that lies after now, if one does."""
    later = moments[moments > now]
    return [int(later.min())] if len(later) else []
