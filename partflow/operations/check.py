"""Tries what is declared and stored: partitions made twice, and files read again.

Knows nothing of how anything is shown. Requires, to make anything: the lease is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

import numpy as np

from partflow.declarations.dataset import Dataset
from partflow.declarations.graph import outputs
from partflow.execution.orders import Output
from partflow.operations.sandbox import Aside, nearly, unlike
from partflow.planning.planner import Plan, Reason, TaskPlan, wanted_mask
from partflow.planning.snapshot import Condition, Unreadable
from partflow.store.protocol import file_of
from partflow.warehouse.observe import Observed


class Verdict(Enum):
    """What came of making a partition twice."""

    SAME = "the same"
    CLOSE = "within its tolerance"
    DIFFERS = "differs"
    STORED = "differs from what is stored"
    FAILED = "failed"
    LEFT = "left out"

    @property
    def is_bad(self) -> bool:
        """Whether it is a fault of the task, or of what is stored."""
        return self in {Verdict.DIFFERS, Verdict.STORED, Verdict.FAILED}


@dataclass(frozen=True, slots=True)
class Trial:
    """One output of one partition that was made twice; `key` is empty for an effect."""

    task: str
    node: str
    key: str
    verdict: Verdict
    text: str = ""


@dataclass(frozen=True, slots=True)
class FileFault:
    """A file that is not what was recorded."""

    node: str
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Reading:
    """How many files were read again, and what is wrong with which."""

    files: int
    faults: tuple[FileFault, ...]


def tried(found: Plan, aside: Aside, *, every: bool) -> Iterator[Trial]:
    """Make partitions that the request names twice: `every` one, or of each task the newest."""
    for planned in found.tasks.values():
        wanted = np.flatnonzero(wanted_mask(found.request, planned)) + planned.lo
        if not len(wanted):
            continue
        if planned.task.is_effect:
            node = planned.task.name
            yield Trial(node, node, "", Verdict.LEFT, "an effect acts on the world")
        elif every:
            for ordinal in wanted.tolist():
                yield from _tried(found, aside, planned, ordinal)
        else:
            newest = wanted.tolist()[::-1]
            free = (o for o in newest if aside.obstacle(planned, o) is None)
            yield from _tried(found, aside, planned, next(free, newest[0]))


def _tried(found: Plan, aside: Aside, planned: TaskPlan, ordinal: int) -> Iterator[Trial]:
    obstacle = aside.obstacle(planned, ordinal)
    if obstacle is None:
        yield from _twice(found, aside, planned, ordinal)
        aside.close()
        return
    for node in outputs(planned.task):
        key = planned.task.grain.key(ordinal)
        yield Trial(planned.task.name, node, key, Verdict.LEFT, f"it cannot be made: {obstacle}")


def _twice(found: Plan, aside: Aside, planned: TaskPlan, ordinal: int) -> Iterator[Trial]:
    """Made twice by itself; where the task makes batches, once more in one, with its neighbours."""
    task = planned.task
    key = task.grain.key(ordinal)
    first, second = (aside.make(planned, (ordinal,))[0] for _ in range(2))
    batch = aside.batch(planned, ordinal)
    third = aside.make(planned, batch)[batch.index(ordinal)] if len(batch) > 1 else second
    failed = first.failure or second.failure or third.failure
    if failed is not None:
        place = f" at {failed.place}" if failed.place else ""
        how = "" if first.failure else "the second time: "
        if not first.failure and not second.failure:
            how = f"in a batch of {len(batch)}: "
        said = f"{how}{failed.message}{place}"
        yield Trial(task.name, outputs(task)[0], key, Verdict.FAILED, said)
        return
    made = zip(task.writes, first.outputs, second.outputs, third.outputs, strict=True)
    for dataset, one, other, batched in made:
        verdict, text = _verdict(aside, dataset, one, other)
        if verdict is Verdict.SAME:
            verdict, text = _verdict(aside, dataset, one, batched)
            text = f"in a batch of {len(batch)}: {text}" if text else ""
        if verdict is Verdict.SAME and _is_as_recorded(found, planned, dataset, ordinal):
            stored = file_of(aside.store, dataset, key)
            unequal = None if other.is_close else unlike(dataset, aside.staged(other), stored)
            if unequal is not None:
                verdict, text = Verdict.STORED, unequal
        yield Trial(task.name, dataset.name, key, verdict, text)


def _verdict(aside: Aside, dataset: Dataset, one: Output, other: Output) -> tuple[Verdict, str]:
    if one.content == other.content:
        return Verdict.SAME, ""
    paths = aside.staged(one), aside.staged(other)
    near = nearly(dataset, *paths)
    if near is not None:
        return Verdict.CLOSE, f"{near}; float_tolerance={dataset.float_tolerance:g}"
    return Verdict.DIFFERS, unlike(dataset, *paths) or "other values"


def _is_as_recorded(found: Plan, planned: TaskPlan, dataset: Dataset, ordinal: int) -> bool:
    """Whether what is stored was made by this code from these inputs, so that it must be equal."""
    i = ordinal - planned.lo
    state = found.snapshot.states[dataset.name]
    there = state.condition[ordinal - state.lo] == Condition.GOOD
    sure = planned.reason[i] not in {Reason.KEPT, Reason.RECKONED, Reason.PINNED}
    return bool(there and sure and planned.need[i] == Reason.NONE)


def read_again(found: Plan, seen: Observed) -> Reading:
    """What is wrong with the files that the request names, after all of them were read."""
    files, faults = 0, []
    wanted = found.request.wanted
    for name, state in found.snapshot.states.items():
        dataset = found.graph.datasets.get(name)
        if dataset is None or (wanted is not None and name not in wanted):
            continue
        chosen = np.ones(len(state.condition), np.bool_)
        if wanted is not None:
            chosen = wanted[name].mask(state.lo, state.hi)
        condition = np.where(chosen, state.condition, Condition.ABSENT)
        there = (condition != Condition.ABSENT) & (condition != Condition.GONE)
        files += int(np.count_nonzero(there))
        keys = [k for n, k in seen.replaced if n == name]
        other = np.isin(
            np.arange(len(condition)), [dataset.grain.ordinal(k) - state.lo for k in keys]
        )
        for i in np.flatnonzero((condition > Condition.GOOD) | (chosen & other)).tolist():
            key = dataset.grain.key(state.lo + i)
            text = _wrong(dataset, Condition(int(condition[i])), seen.problems.get((name, key)))
            if text:
                faults.append(FileFault(name, key, text))
    return Reading(files, tuple(faults))


def _wrong(dataset: Dataset, condition: Condition, said: Unreadable | None) -> str:
    """What a condition says; the files of a source may go, for they are not ours."""
    match condition:
        case Condition.GOOD:
            return "holds other values than were recorded; `materialize --verify` takes them up"
        case Condition.GONE:
            return "" if dataset.is_source else "its file is gone"
        case Condition.DAMAGED:
            more = f": {said.reason}; {said.advice}" if said else ""
            return f"its file cannot be read{more}"
        case Condition.CHANGED:
            return "changed outside partflow"
        case _:
            return ""
