"""Makes partitions aside: from what lies there now, staged, compared, swept, never published.

Knows nothing of why they are compared, and of the metastore. Requires: the lease is held, since
whoever has it sweeps what is staged.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from partflow.declarations.dataset import Dataset
from partflow.execution.attempt.perform import perform
from partflow.execution.livecontents import LiveContents
from partflow.execution.orders import Attempt, Lineage, Order, Outcome, Output
from partflow.execution.readyqueue import Step, batch_limit
from partflow.execution.sizing import BATCH, widths
from partflow.formats.compare import difference, largest
from partflow.formats.fingerprint import equal_within
from partflow.formats.known import format_of, table_of
from partflow.planning.planner import Plan, TaskPlan
from partflow.planning.snapshot import Condition
from partflow.store.protocol import Store
from partflow.warehouse.handover import HandOver

_BATCH = 31
"""A trial's batch has so many partitions at most."""

_SAID = {
    Condition.ABSENT: "has not arrived",
    Condition.GONE: "is gone",
    Condition.DAMAGED: "cannot be read",
    Condition.CHANGED: "was changed outside partflow",
}


@dataclass(slots=True)
class Aside:
    """Makes partitions of one plan's tasks aside, under the name of one run; `close` sweeps."""

    plan: Plan
    store: Store
    run: str
    pause: Callable[[float], None] = time.sleep
    _serial: int = 0

    def obstacle(self, planned: TaskPlan, ordinal: int) -> str | None:
        """Why a partition cannot be made of what its record was made from; None if it can."""
        for one, (a, b) in zip(planned.task.inputs, planned.bounds, strict=True):
            dataset = one.read.dataset
            state = self.plan.snapshot.states[dataset.name]
            first, last = int(a[ordinal - planned.lo]), int(b[ordinal - planned.lo])
            if last > state.hi and not one.read.is_optional:
                return f"{dataset.name}@{dataset.grain.shown(last - 1)} is not due"
            low, high = max(first, state.lo) - state.lo, max(last - state.lo, 0)
            found = state.condition[low : max(low, high)]
            wrong = found != Condition.GOOD
            if one.read.is_optional:
                wrong &= found != Condition.ABSENT
            if wrong.any():
                at = int(np.argmax(wrong))
                key = dataset.grain.shown(state.lo + low + at)
                return f"{dataset.name}@{key} {_SAID[Condition(int(found[at]))]}"
        return None

    def batch(self, planned: TaskPlan, ordinal: int) -> list[int]:
        """The neighbours with which a partition can be made in one call, itself among them.

        As many before it as there are, up to the limits of batches: see `LiveContents.fits`.
        """
        live = LiveContents(self.plan, widths(self.plan, self.store, None))
        found = [ordinal]
        for other in range(ordinal - 1, planned.lo - 1, -1):
            if len(found) >= min(batch_limit(planned.task, None), _BATCH):
                break
            steps = [Step(planned.task.name, each) for each in (ordinal, found[0], other)]
            if not live.fits(steps[:2], steps[2], BATCH) or self.obstacle(planned, other):
                break
            found.insert(0, other)
        return found

    def make(self, planned: TaskPlan, ordinals: Sequence[int]) -> tuple[Outcome, ...]:
        """Make neighbouring partitions in one call; the files lie staged until `close`.

        A call that fails is tried again, as often and after such pauses as the task says.
        """
        options = planned.task.options
        for number in range(1, options.retries + 2):
            attempts = tuple(self._attempt(planned, ordinal, number) for ordinal in ordinals)
            order = Order(self.run, planned.task.name, attempts)
            made = perform(order, self.plan.graph, self.store, HandOver(0))
            failures = [one.failure for one in made if one.failure is not None]
            if not failures or any(one.is_final for one in failures) or number > options.retries:
                return made
            self.pause(options.retry_delay.total_seconds() * 2 ** (number - 1))
        raise AssertionError("BUG: the last try returns")

    def _attempt(self, planned: TaskPlan, ordinal: int, number: int) -> Attempt:
        task = planned.task
        interval = task.grain.interval(ordinal)
        self._serial += 1
        lineage = Lineage(
            task=task.name,
            key=task.grain.key(ordinal),
            start=interval.start,
            end=interval.end,
            code=self.plan.snapshot.codes[task.name],
            run=self.run,
            read_seq=self.plan.snapshot.version,
            inputs=(),  # of interest to none: the footer is never published
        )
        present = tuple(d.name for d in task.writes if self._is_there(d.name, ordinal))
        reads = self._reads(planned, ordinal)
        states = [self.plan.snapshot.states[one.read.dataset.name] for one in task.inputs]
        nbytes = sum(
            int(state.nbytes[np.array(ordinals, np.int64) - state.lo].sum())
            for state, ordinals in zip(states, reads, strict=True)
        )
        return Attempt(self._serial, ordinal, number, reads, lineage, present, nbytes)

    def staged(self, output: Output) -> Path:
        """The file of what was made aside."""
        return self.store.layout.staged(output.staged)

    def close(self) -> None:
        """Sweep what was staged."""
        self.store.sweep(self.run)

    def _reads(self, planned: TaskPlan, ordinal: int) -> tuple[tuple[int, ...], ...]:
        """What a partition without an obstacle reads, for each read."""
        found = []
        for one, (a, b) in zip(planned.task.inputs, planned.bounds, strict=True):
            state = self.plan.snapshot.states[one.read.dataset.name]
            first, last = int(a[ordinal - planned.lo]), int(b[ordinal - planned.lo])
            low, high = max(first, state.lo), min(last, state.hi)
            there = state.condition[low - state.lo : max(low, high) - state.lo] == Condition.GOOD
            found.append(tuple((np.flatnonzero(there) + low).tolist()))
        return tuple(found)

    def _is_there(self, name: str, ordinal: int) -> bool:
        state = self.plan.snapshot.states[name]
        i = ordinal - state.lo
        return bool(0 <= i < len(state.condition) and state.condition[i] == Condition.GOOD)


def unlike(dataset: Dataset, one: Path, other: Path) -> str | None:
    """How two files of a dataset differ in content; None if they do not."""
    form = format_of(dataset)
    if form.fingerprint(one) == form.fingerprint(other):
        return None
    if not dataset.stored_as.is_table:
        return "other bytes"
    return difference(form.read(one), form.read(other), ordered=bool(dataset.order))


def nearly(dataset: Dataset, one: Path, other: Path) -> str | None:
    """The columns in which two files differ within the dataset's tolerance; None if by more."""
    if not dataset.stored_as.is_table or not dataset.float_tolerance:
        return None
    form, is_ordered = table_of(dataset), bool(dataset.order)
    frames = form.read(one), form.read(other)
    if not equal_within(*frames, dataset.float_tolerance, ordered=is_ordered):
        return None
    return largest(*frames, ordered=is_ordered)
