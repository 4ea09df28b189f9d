"""Says what is late: a pure function of a plan, whose snapshot holds the time and what was noted.

Knows nothing of who is told. A partition is late if the moment by which it was expected has passed
and it was never made. A dataset is late if its newest fresh partition has become too old. What was
expected before its declaration was first seen does not count, nor does what is paused. What is
stale by its code alone is late for nobody.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.dataset import Dataset
from partflow.partitions.calendar import Whole
from partflow.partitions.sets import PartitionSet
from partflow.planning.oldercode import by_code_alone
from partflow.planning.plan import Plan, Reason, State
from partflow.planning.snapshot import Condition, state_over

if TYPE_CHECKING:
    from partflow.declarations.expected import Expected
    from partflow.declarations.graph import Graph
    from partflow.partitions.zone import Seconds
    from partflow.planning.plan import Mask

EXPECTED = "expected"
"""The kind under which it is noted when a declaration of what is expected was first seen."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """What of a dataset or source is late: its partitions, and since when, in epoch seconds.

    `since` is the moment by which the first of them was expected, 0 if none is late.
    `too_old_since` is when its newest fresh partition became too old; None if it has not.
    """

    node: str
    at: PartitionSet
    since: int
    too_old_since: int | None

    @property
    def is_late(self) -> bool:
        """Whether anything is."""
        return bool(self.at) or self.too_old_since is not None


def lateness(plan: Plan) -> dict[str, Lateness]:
    """What is late of each dataset and source of which something is expected, by name."""
    late, older = {}, _older(plan)
    for name, dataset in plan.graph.datasets.items():
        expected = dataset.expected
        if expected is not None:
            late[name] = _lateness(plan, dataset, expected, older)
    return late


def _older(plan: Plan) -> Mapping[str, Mask]:
    """What is stale by its code alone; it is not looked for if nothing can become too old."""
    expected = (dataset.expected for dataset in plan.graph.datasets.values())
    return by_code_alone(plan) if any(e and e.max_age is not None for e in expected) else {}


def expected_at(plan: Plan, node: str, ordinal: int) -> int | None:
    """The moment by which a partition was or is expected; None if it does not count."""
    dataset = plan.graph.datasets.get(node)
    since = plan.snapshot.expected_since.get(node)
    if dataset is None or dataset.expected is None or not dataset.expected.has_moments:
        return None
    moment = int(dataset.expected.moments(dataset.grain, ordinal, ordinal + 1)[0])
    return moment if since is not None and moment >= since else None


def since_of(graph: Graph, noted: Mapping[str, str]) -> dict[str, int]:
    """When the present declarations were first seen, by dataset, as far as that is noted."""
    since = {}
    for name, text in noted.items():
        dataset = graph.datasets.get(name)
        try:
            said, at = json.loads(text)
        except (ValueError, TypeError):
            continue
        if dataset is not None and dataset.expected is not None and said == dataset.expected.text:
            since[name] = int(at)
    return since


def unnoted(plan: Plan) -> dict[str, str | None]:
    """What is to be noted of declarations that were first seen now, by dataset."""
    known, now = plan.snapshot.expected_since, plan.snapshot.now
    return {
        name: json.dumps([dataset.expected.text, now])
        for name, dataset in plan.graph.datasets.items()
        if dataset.expected is not None and name not in known
    }


def _lateness(
    plan: Plan, dataset: Dataset, expected: Expected, older: Mapping[str, Mask]
) -> Lateness:
    since, now = plan.snapshot.expected_since.get(dataset.name), plan.snapshot.now
    nothing = Lateness(dataset.name, PartitionSet(), 0, None)
    if since is None or dataset.name in plan.snapshot.paused:
        return nothing
    at, first = PartitionSet(), 0
    if expected.has_moments:
        late = [
            _late(plan, dataset, span, since) for span in _spans(plan, dataset) if span[0] < span[1]
        ]
        at = PartitionSet.of(r for found, _ in late for r in found.ranges)
        first = min((int(moments[0]) for found, moments in late if found), default=0)
    too_old = None
    if expected.max_age is not None:
        too_old = max(newest_fresh(plan, dataset, older) or 0, since) + expected.max_age
    return Lateness(
        dataset.name, at, first, too_old if too_old is not None and too_old < now else None
    )


def _spans(plan: Plan, dataset: Dataset) -> list[tuple[int, int]]:
    """The ordinals that can be late: a source's, or those that tasks look after, due or not."""
    due = dataset.grain.due(plan.snapshot.now)
    if dataset.is_source:
        extent = plan.graph.dataset_extents[dataset.name]
        return [(extent.lo, extent.until(due))]
    spans = []
    for task in plan.graph.writers(dataset.name):
        planned = plan.tasks[task.name]
        spans.append((planned.lo, max(planned.hi, plan.graph.task_extents[task.name].until(due))))
    return spans


def _late(
    plan: Plan, dataset: Dataset, span: tuple[int, int], since: int
) -> tuple[PartitionSet, Seconds]:
    """Which partitions of a span are late, and the moments by which those were expected."""
    lo, hi = span
    assert dataset.expected is not None
    never = state_over(plan.snapshot.states[dataset.name], lo, hi).seq == 0
    if not never.any():
        return PartitionSet(), np.zeros(0, np.int64)
    first = lo + int(np.argmax(never))
    moments = dataset.expected.moments(dataset.grain, first, hi)
    late = never[first - lo :] & (moments < plan.snapshot.now) & (moments >= since)
    for task in plan.graph.writers(dataset.name):
        planned = plan.tasks[task.name]
        unasked = PartitionSet.where(planned.reason == Reason.NOT_ASKED, planned.lo)
        late &= ~unasked.mask(first, hi)
    return PartitionSet.where(late, first), moments[late]


def next_lateness(plan: Plan) -> int | None:
    """The first moment, in epoch seconds, at which something more becomes late; None if never."""
    older = _older(plan)
    moments = [
        moment
        for name, dataset in plan.graph.datasets.items()
        if dataset.expected is not None
        for moment in _next(plan, name, dataset.expected, older)
    ]
    return min(moments, default=None)


def _next(plan: Plan, name: str, expected: Expected, older: Mapping[str, Mask]) -> list[int]:
    """When partitions of a dataset become late, or its newest fresh one too old, from now on."""
    since, now = plan.snapshot.expected_since.get(name), plan.snapshot.now
    if since is None or name in plan.snapshot.paused:
        return []
    dataset, found = plan.graph.datasets[name], []
    if expected.max_age is not None:
        found.append(max(newest_fresh(plan, dataset, older) or 0, since) + expected.max_age)
    extent = plan.graph.dataset_extents[name]
    for lo, hi in _spans(plan, dataset) if expected.has_moments else ():
        end = max(hi, extent.until(hi + 1))  # the next one that is due may be late before its lag
        never = state_over(plan.snapshot.states[name], lo, end).seq == 0
        if never.any():
            first = lo + int(np.argmax(never))
            moments = expected.moments(dataset.grain, first, end)
            found += moments[never[first - lo :] & (moments >= max(now, since))].tolist()
    later = [moment for moment in found if moment >= now]
    return [min(later) + 1] if later else []  # what is late has its moment behind it


def newest_fresh(
    plan: Plan, dataset: Dataset, older: Mapping[str, Mask] | None = None
) -> int | None:
    """Where the newest fresh partition ends, in epoch seconds; None if none is fresh.

    Of a Whole it is when that was made. `older` has by task what counts as fresh beside.
    """
    state = plan.snapshot.states[dataset.name]
    newest = None
    for lo, states in _fresh(plan, dataset, older or {}):
        fresh = np.flatnonzero(states)
        if not len(fresh):
            continue
        ordinal = lo + int(fresh[-1])
        if isinstance(dataset.grain, Whole):
            end = int(state_over(state, ordinal, ordinal + 1).made_at[0])
        else:
            end = dataset.grain.interval(ordinal).end
        newest = end if newest is None else max(newest, end)
    return newest


def _fresh(plan: Plan, dataset: Dataset, older: Mapping[str, Mask]) -> list[tuple[int, Mask]]:
    """Which of a dataset's partitions are fresh, each mask with its first ordinal."""
    if dataset.is_source:
        state, states = plan.snapshot.states[dataset.name], plan.sources[dataset.name]
        is_there = state.condition != Condition.GIVEN_UP
        return [(state.lo, (states == State.FRESH) & is_there)]
    plans = [plan.tasks[task.name] for task in plan.graph.writers(dataset.name)]
    return [(p.lo, (p.state == State.FRESH) | older.get(p.task.name, False)) for p in plans]
