"""Chooses which steps of a plan one run takes: the newest first, and all that these need.

Knows nothing of runs. A portion is closed: a request for it plans the same steps, and no others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.graph import outputs
from partflow.partitions.calendar import Whole
from partflow.partitions.sets import PartitionSet
from partflow.planning.demand import needed_by
from partflow.planning.plan import Action, Plan, Request, TaskPlan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.planning.plan import Mask

    Chosen = Mapping[str, Mask]
    """By task a mask of its partitions."""


def portion(plan: Plan, at_most: int) -> dict[str, PartitionSet]:
    """At most so many steps, by task: all of them if they fit, else the newest and what they need.

    A step is as new as the end of its interval plus its lag; one that is Whole comes last. Where
    the needs of the next step do not fit, other tasks' newest steps are taken as far as they fit,
    and then as many of its needs as do: upstream before downstream, and of one task the oldest
    first. So each portion but the last one is full. Requires: the plan is of everything, and
    `at_most` is positive.
    """
    if plan.steps <= at_most:
        return _sets(plan, {n: t.action != Action.NONE for n, t in plan.tasks.items()})
    choice = _Choice(plan, at_most, {n: _due(t) for n, t in plan.tasks.items()})
    chosen = choice.since(_first_that_fits(choice))
    return _sets(plan, _with_newest(choice, chosen))


def request_for(plan: Plan, chosen: Mapping[str, PartitionSet]) -> Request:
    """The request for a portion of a plan: as that of the plan, for these partitions only."""
    wanted: dict[str, PartitionSet] = {}
    for name, partitions in chosen.items():
        for node in outputs(plan.tasks[name].task):
            wanted[node] = wanted.get(node, PartitionSet()) | partitions
    return replace(plan.request, wanted=wanted)


@dataclass(frozen=True, slots=True)
class _Choice:
    """The steps that are chosen from, and since when each of them is due; see `_due`."""

    plan: Plan
    at_most: int
    due: dict[str, NDArray[np.int64]]

    def since(self, moment: int | None) -> Chosen:
        """The steps that are due since that moment or later, with all that they need."""
        if moment is None:
            return self.closed({})
        return self.closed({n: due >= moment for n, due in self.due.items()})

    def closed(self, seeds: Chosen) -> Chosen:
        """Those of the seeds that are steps, and all steps that they need."""
        empty = {n: np.zeros(len(t.state), np.bool_) for n, t in self.plan.tasks.items()}
        needed = needed_by(self.plan, empty | dict(seeds))
        return {n: needed[n] & (t.action != Action.NONE) for n, t in self.plan.tasks.items()}

    def fits(self, chosen: Chosen) -> bool:
        """Whether so many steps may be taken."""
        return size(chosen) <= self.at_most


def size(chosen: Chosen) -> int:
    """How many partitions are chosen."""
    return sum(int(np.count_nonzero(mask)) for mask in chosen.values())


def _first_that_fits(choice: _Choice) -> int | None:
    """The earliest moment since which all that became due fits, with its needs; None if none does.

    More than `at_most` steps never fit, so that it is one of the newest moments.
    """
    steps = [due[due != _NO_STEP] for due in choice.due.values()]
    newest = np.unique(np.concatenate([due[-choice.at_most :] for due in steps]))
    moments = newest[-choice.at_most :].tolist()
    low, high = 0, len(moments)  # since moments[high] it fits
    while low < high:
        middle = (low + high) // 2
        if choice.fits(choice.since(moments[middle])):
            high = middle
        else:
            low = middle + 1
    return moments[high] if high < len(moments) else None


def _with_newest(choice: _Choice, chosen: Chosen) -> Chosen:
    """What is chosen, with the newest steps of tasks as far as they fit, and needs of the rest."""
    rest = _newest_left(choice, chosen)
    first_left: Chosen | None = None
    while rest and size(chosen) < choice.at_most:
        taken = _how_many_fit(choice, chosen, rest)
        chosen = _joined(choice, chosen, rest[:taken])
        if taken < len(rest):
            name, _ = rest[taken]
            if first_left is None:
                first_left = _joined(choice, chosen, rest[taken : taken + 1])
            below = _downstream(choice.plan, name)
            rest = [seed for seed in rest[taken + 1 :] if seed[0] not in below]
        else:
            rest = []
    if first_left is None:
        return chosen
    return _filled(choice, chosen, first_left)


def _newest_left(choice: _Choice, chosen: Chosen) -> list[tuple[str, int]]:
    """The newest step of each task that is not chosen, as its place; the newest of them first."""
    seeds = []
    for name, due in choice.due.items():
        left = np.flatnonzero((due != _NO_STEP) & ~chosen[name])
        if len(left):
            seeds.append((name, int(left[-1])))
    return sorted(seeds, key=lambda seed: -int(choice.due[seed[0]][seed[1]]))


def _how_many_fit(choice: _Choice, chosen: Chosen, seeds: Sequence[tuple[str, int]]) -> int:
    """How many of the seeds, from the first on, fit beside what is chosen."""
    low, high = 0, len(seeds)
    while low < high:
        middle = (low + high + 1) // 2
        if choice.fits(_joined(choice, chosen, seeds[:middle])):
            low = middle
        else:
            high = middle - 1
    return low


def _joined(choice: _Choice, chosen: Chosen, seeds: Sequence[tuple[str, int]]) -> Chosen:
    """What is chosen, with these seeds and what they need."""
    if not seeds:
        return chosen
    more = {name: mask.copy() for name, mask in chosen.items()}
    for name, place in seeds:
        more[name][place] = True
    return choice.closed(more)


def _filled(choice: _Choice, chosen: Chosen, wanted: Chosen) -> Chosen:
    """What is chosen, and of what is wanted beside as much as fits: the upstream and oldest."""
    room, filled = choice.at_most - size(chosen), {}
    for name, mask in chosen.items():  # in the graph's order
        more = np.flatnonzero(wanted[name] & ~mask)[:room]
        room -= len(more)
        filled[name] = mask.copy()
        filled[name][more] = True
    return filled


def _downstream(plan: Plan, name: str) -> set[str]:
    """The tasks that read what a task makes, and so on; itself, too."""
    found, nodes = {name}, set(outputs(plan.tasks[name].task))
    for other, planned in plan.tasks.items():
        if any(each.read.dataset.name in nodes for each in planned.task.inputs):
            found.add(other)
            nodes |= set(outputs(planned.task))
    return found


_NO_STEP = np.iinfo(np.int64).min
_LAST = _NO_STEP + 1


def _due(planned: TaskPlan) -> NDArray[np.int64]:
    """Since when each step is due, in epoch seconds; `_NO_STEP` where there is none."""
    steps, task = planned.action != Action.NONE, planned.task
    due = np.full(len(steps), _NO_STEP, np.int64)
    if isinstance(task.grain, Whole):
        due[steps] = _LAST
    elif steps.any():
        ends = task.grain.edges(planned.lo, planned.hi)[1:]
        due[steps] = ends[steps] + int(task.options.lag.total_seconds())
    return due


def _sets(plan: Plan, chosen: Chosen) -> dict[str, PartitionSet]:
    return {
        name: PartitionSet.where(mask, plan.tasks[name].lo)
        for name, mask in chosen.items()
        if mask.any()
    }
