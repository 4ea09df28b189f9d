"""An order, with all that is needed to carry it out.

Knows nothing of how an order is carried out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from partflow.declarations.dataset import Dataset
from partflow.declarations.graph import Graph
from partflow.declarations.task import Task
from partflow.execution.orders import Attempt, Order
from partflow.store.layout import staged_as
from partflow.store.protocol import Store
from partflow.warehouse.handover import SMALL, HandOver
from partflow.warehouse.reading import Wanted


@dataclass(frozen=True, slots=True)
class Work:
    """An order, its task, and where the task reads and stages."""

    order: Order
    graph: Graph
    task: Task
    store: Store
    frames: HandOver

    @property
    def is_small(self) -> bool:
        """Whether every attempt reads something, and at most 1 MiB."""
        return all(0 < attempt.nbytes <= SMALL for attempt in self.order.attempts)

    def is_read(self, dataset: Dataset) -> bool:
        """Whether any task reads the dataset, so that its frames are worth keeping."""
        return next(iter(self.graph.readers(dataset.name)), None) is not None

    def wanted(self, position: int) -> Wanted:
        """What any of its attempts reads at that position, each partition once, in order."""
        return _wanted(self.task.inputs[position].read.dataset, self.order.attempts, position)

    def staged(self, attempt: Attempt, position: int) -> Path:
        """The path at which an output of an attempt is staged; its folder is made."""
        return self.store.stage(self.name_of(attempt, position))

    def name_of(self, attempt: Attempt, position: int) -> str:
        """The name under which an output of an attempt is staged."""
        return staged_as(self.order.run, attempt.serial, position)


def wanted_by(attempt: Attempt, dataset: Dataset, position: int) -> Wanted:
    """What one attempt reads of a dataset at that position."""
    expected = attempt.expected[position] if attempt.expected else None
    return Wanted(dataset, attempt.reads[position], expected)


def _wanted(dataset: Dataset, attempts: Sequence[Attempt], position: int) -> Wanted:
    """What these attempts read of a dataset, with what they expect, if all of them do."""
    if len(attempts) == 1:
        return wanted_by(attempts[0], dataset, position)
    expected: dict[int, bytes] = {}
    union: set[int] = set()
    for attempt in attempts:
        part = wanted_by(attempt, dataset, position)
        union.update(part.ordinals)
        if part.expected is not None:
            rows = (part.expected[at : at + _ROW] for at in range(0, len(part.expected), _ROW))
            expected.update(zip(part.ordinals, rows, strict=True))
    ordinals = sorted(union)
    if len(expected) < len(ordinals):
        return Wanted(dataset, ordinals)
    return Wanted(dataset, ordinals, b"".join(expected[o] for o in ordinals))


_ROW = 32
"""So many bytes has an identity."""
