"""Makes partitions on trial: from the present inputs, into staged files that are never published.

Knows nothing of the metastore, or of why results are compared. Requires: the lease is held, because
whoever holds it may sweep staged files.
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
"""The most partitions in a batch that is made on trial."""

_SAID = {
    Condition.ABSENT: "has not arrived",
    Condition.GONE: "is gone",
    Condition.DAMAGED: "cannot be read",
    Condition.CHANGED: "was changed outside partflow",
}


@dataclass(slots=True)
class Aside:
    """Makes partitions of one plan's tasks on trial, as the run `run`.

    The caller calls `close`, which removes the staged files. `pause` sleeps so many seconds.
    """

    plan: Plan
    store: Store
    run: str
    pause: Callable[[float], None] = time.sleep
    _serial: int = 0

    def obstacle(self, planned: TaskPlan, ordinal: int) -> str | None:
        """Why a partition cannot be made on trial: what is wrong with an input; else None."""
        for task_input, (a, b) in zip(planned.task.inputs, planned.bounds, strict=True):
            dataset = task_input.read.dataset
            state = self.plan.snapshot.states[dataset.name]
            first, last = int(a[ordinal - planned.lo]), int(b[ordinal - planned.lo])
            read = task_input.read
            if last > state.hi and not read.does_without:
                return f"{dataset.name}@{dataset.grain.shown(last - 1)} is not due"
            low, high = max(first, state.lo) - state.lo, max(last - state.lo, 0)
            condition = state.condition[low : max(low, high)]
            wrong = (condition != Condition.GOOD) & (condition != Condition.GIVEN_UP)
            if read.does_without:
                wrong &= condition != Condition.ABSENT
            if wrong.any():
                at = int(np.argmax(wrong))
                key = dataset.grain.shown(state.lo + low + at)
                return f"{dataset.name}@{key} {_SAID[Condition(int(condition[at]))]}"
            if read.is_partial and not (condition == Condition.GOOD).any():
                return f"nothing that {read.declared} reads is there"
        return None

    def batch(self, planned: TaskPlan, ordinal: int) -> list[int]:
        """The ordinals of a batch that ends with this partition, in ascending order.

        It has as many neighbours before the partition as the limits of batches allow: see
        `LiveContents.fits`.
        """
        live = LiveContents(self.plan, widths(self.plan, self.store, None))
        batch = [ordinal]
        for neighbour in range(ordinal - 1, planned.lo - 1, -1):
            if len(batch) >= min(batch_limit(planned.task, None), _BATCH):
                break
            steps = [Step(planned.task.name, each) for each in (ordinal, batch[0], neighbour)]
            if not live.fits(steps[:2], steps[2], BATCH) or self.obstacle(planned, neighbour):
                break
            batch.insert(0, neighbour)
        return batch

    def make(self, planned: TaskPlan, ordinals: Sequence[int]) -> tuple[Outcome, ...]:
        """Make neighbouring partitions in one call; their files stay staged until `close`.

        A call that fails is tried again as often as the task says, and after the task's delays.
        """
        options = planned.task.options
        for number in range(1, options.retries + 2):
            attempts = tuple(self._attempt(planned, ordinal, number) for ordinal in ordinals)
            order = Order(self.run, planned.task.name, attempts)
            outcomes = perform(order, self.plan.graph, self.store, HandOver(0))
            failures = [o.failure for o in outcomes if o.failure is not None]
            if (
                not failures
                or any(failure.is_final for failure in failures)
                or number > options.retries
            ):
                return outcomes
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
            inputs=(),  # Nobody reads it: the footer is never published.
        )
        present = tuple(d.name for d in task.writes if self._is_there(d.name, ordinal))
        reads = self._reads(planned, ordinal)
        states = [
            self.plan.snapshot.states[task_input.read.dataset.name] for task_input in task.inputs
        ]
        nbytes = sum(
            int(state.nbytes[np.array(ordinals, np.int64) - state.lo].sum())
            for state, ordinals in zip(states, reads, strict=True)
        )
        return Attempt(self._serial, ordinal, number, reads, lineage, present, nbytes)

    def staged(self, output: Output) -> Path:
        """The staged file of an output."""
        return self.store.layout.staged(output.staged)

    def close(self) -> None:
        """Remove the staged files."""
        self.store.sweep(self.run)

    def _reads(self, planned: TaskPlan, ordinal: int) -> tuple[tuple[int, ...], ...]:
        """The ordinals that a partition without an obstacle reads, for each read."""
        reads = []
        for task_input, (a, b) in zip(planned.task.inputs, planned.bounds, strict=True):
            state = self.plan.snapshot.states[task_input.read.dataset.name]
            first, last = int(a[ordinal - planned.lo]), int(b[ordinal - planned.lo])
            low, high = max(first, state.lo), min(last, state.hi)
            there = state.condition[low - state.lo : max(low, high) - state.lo] == Condition.GOOD
            reads.append(tuple((np.flatnonzero(there) + low).tolist()))
        return tuple(reads)

    def _is_there(self, name: str, ordinal: int) -> bool:
        state = self.plan.snapshot.states[name]
        i = ordinal - state.lo
        return bool(0 <= i < len(state.condition) and state.condition[i] == Condition.GOOD)


def unlike(dataset: Dataset, first: Path, second: Path) -> str | None:
    """How the contents of two files of a dataset differ; None if they are equal.

    ReadError if a file cannot be read.
    """
    form = format_of(dataset)
    if form.fingerprint(first) == form.fingerprint(second):
        return None
    if not dataset.stored_as.is_table:
        return "other bytes"
    return difference(form.read(first), form.read(second), ordered=bool(dataset.order))


def nearly(dataset: Dataset, first: Path, second: Path) -> str | None:
    """The columns in which two files differ, if within the dataset's tolerance; else None.

    ReadError if a file cannot be read.
    """
    if not dataset.stored_as.is_table or not dataset.float_tolerance:
        return None
    form, is_ordered = table_of(dataset), bool(dataset.order)
    frames = form.read(first), form.read(second)
    if not equal_within(*frames, dataset.float_tolerance, ordered=is_ordered):
        return None
    return largest(*frames, ordered=is_ordered)
