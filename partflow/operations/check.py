"""Checks what is declared and stored: makes partitions twice, and reads files again.

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
from partflow.warehouse.filelook import Observed


class Verdict(Enum):
    """How a partition that was made twice turned out."""

    SAME = "the same"
    CLOSE = "within its tolerance"
    DIFFERS = "differs"
    STORED = "differs from what is stored"
    FAILED = "failed"
    LEFT = "left out"

    @property
    def is_bad(self) -> bool:
        """Whether it is a fault of the task, or of the stored file."""
        return self in {Verdict.DIFFERS, Verdict.STORED, Verdict.FAILED}


@dataclass(frozen=True, slots=True)
class Trial:
    """One output of one partition that was made twice; an effect, left out, has an empty `key`."""

    task: str
    node: str
    key: str
    verdict: Verdict
    text: str = ""


@dataclass(frozen=True, slots=True)
class FileFault:
    """A file that does not hold what is recorded, and in what way."""

    node: str
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Reading:
    """How many files were read again, and the faults of those that are wrong."""

    files: int
    faults: tuple[FileFault, ...]


def tried(plan: Plan, aside: Aside, *, every: bool) -> Iterator[Trial]:
    """Make partitions of a plan's request twice: `every` one, or the newest that can be made.

    The newest is chosen for each task. Effects are left out.
    """
    for planned in plan.tasks.values():
        wanted = np.flatnonzero(wanted_mask(plan.request, planned)) + planned.lo
        if not len(wanted):
            continue
        if planned.task.is_effect:
            node = planned.task.name
            yield Trial(node, node, "", Verdict.LEFT, "an effect acts on the world")
        elif every:
            for ordinal in wanted.tolist():
                yield from _tried(plan, aside, planned, ordinal)
        else:
            newest = wanted.tolist()[::-1]
            free = (o for o in newest if aside.obstacle(planned, o) is None)
            yield from _tried(plan, aside, planned, next(free, newest[0]))


def _tried(plan: Plan, aside: Aside, planned: TaskPlan, ordinal: int) -> Iterator[Trial]:
    obstacle = aside.obstacle(planned, ordinal)
    if obstacle is None:
        yield from _twice(plan, aside, planned, ordinal)
        aside.close()
        return
    for node in outputs(planned.task):
        key = planned.task.grain.key(ordinal)
        yield Trial(planned.task.name, node, key, Verdict.LEFT, f"it cannot be made: {obstacle}")


def _twice(plan: Plan, aside: Aside, planned: TaskPlan, ordinal: int) -> Iterator[Trial]:
    """Make a partition twice in calls of its own, and once in a batch if its task makes batches."""
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
        text_of_failure = f"{how}{failed.message}{place}"
        yield Trial(task.name, outputs(task)[0], key, Verdict.FAILED, text_of_failure)
        return
    made_thrice = zip(task.writes, first.outputs, second.outputs, third.outputs, strict=True)
    for dataset, first_output, second_output, batched in made_thrice:
        verdict, text = _verdict(aside, dataset, first_output, second_output)
        if verdict is Verdict.SAME:
            verdict, text = _verdict(aside, dataset, first_output, batched)
            text = f"in a batch of {len(batch)}: {text}" if text else ""
        if verdict is Verdict.SAME and _is_as_recorded(plan, planned, dataset, ordinal):
            stored = file_of(aside.store, dataset, key)
            unequal = (
                None
                if second_output.is_close
                else unlike(dataset, aside.staged(second_output), stored)
            )
            if unequal is not None:
                verdict, text = Verdict.STORED, unequal
        yield Trial(task.name, dataset.name, key, verdict, text)


def _verdict(aside: Aside, dataset: Dataset, first: Output, second: Output) -> tuple[Verdict, str]:
    if first.content == second.content:
        return Verdict.SAME, ""
    paths = aside.staged(first), aside.staged(second)
    near = nearly(dataset, *paths)
    if near is not None:
        return Verdict.CLOSE, f"{near}; float_tolerance={dataset.float_tolerance:g}"
    return Verdict.DIFFERS, unlike(dataset, *paths) or "other values"


def _is_as_recorded(plan: Plan, planned: TaskPlan, dataset: Dataset, ordinal: int) -> bool:
    """Whether the stored file was made by the present code from the present inputs.

    Then a partition that is made again must be equal to it.
    """
    i = ordinal - planned.lo
    state = plan.snapshot.states[dataset.name]
    there = state.condition[ordinal - state.lo] == Condition.GOOD
    unsure = {Reason.KEPT, Reason.RECKONED, Reason.PINNED, Reason.MOVED}
    return bool(there and planned.reason[i] not in unsure and planned.need[i] == Reason.NONE)


def read_again(plan: Plan, seen: Observed) -> Reading:
    """The faults of the files that a plan's request names.

    Requires: `seen` is a look that has read all of them (`Verify.CONTENT`).
    """
    files, faults = 0, []
    wanted = plan.request.wanted
    for name, state in plan.snapshot.states.items():
        dataset = plan.graph.datasets.get(name)
        if dataset is None or (wanted is not None and name not in wanted):
            continue
        chosen = np.ones(len(state.condition), np.bool_)
        if wanted is not None:
            chosen = wanted[name].mask(state.lo, state.hi)
        condition = np.where(chosen, state.condition, Condition.ABSENT)
        away = (Condition.ABSENT, Condition.GONE, Condition.GIVEN_UP)
        there = ~np.isin(condition, away)
        files += int(np.count_nonzero(there))
        keys = [k for n, k in seen.replaced if n == name]
        has_other_values = np.isin(
            np.arange(len(condition)), [dataset.grain.ordinal(k) - state.lo for k in keys]
        )
        for i in np.flatnonzero(
            (condition > Condition.GOOD) | (chosen & has_other_values)
        ).tolist():
            key = dataset.grain.key(state.lo + i)
            text = _wrong(dataset, Condition(int(condition[i])), seen.problems.get((name, key)))
            if text:
                faults.append(FileFault(name, key, text))
    return Reading(files, tuple(faults))


def _wrong(dataset: Dataset, condition: Condition, unreadable: Unreadable | None) -> str:
    """What a condition says is wrong; "" for nothing, and for a source whose file is gone."""
    match condition:
        case Condition.GOOD:
            return "holds other values than were recorded; `materialize --verify` takes them up"
        case Condition.GONE:
            return "" if dataset.is_source else "its file is gone"
        case Condition.DAMAGED:
            more = f": {unreadable.reason}; {unreadable.advice}" if unreadable else ""
            return f"its file cannot be read{more}"
        case Condition.CHANGED:
            return "changed outside partflow"
        case _:
            return ""
