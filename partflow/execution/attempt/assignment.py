"""An order with all that carrying it out takes.

Knows nothing of what is read, called or stored.
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


@dataclass(frozen=True, slots=True)
class Work:
    """An order with all that carrying it out takes."""

    order: Order
    graph: Graph
    task: Task
    store: Store
    frames: HandOver

    @property
    def is_small(self) -> bool:
        """Whether each of its partitions reads little; one that reads nothing may make anything."""
        return all(0 < attempt.nbytes <= SMALL for attempt in self.order.attempts)

    def is_read(self, dataset: Dataset) -> bool:
        """Whether any task reads a dataset, so that its frames are worth keeping."""
        return next(iter(self.graph.readers(dataset.name)), None) is not None

    def staged(self, attempt: Attempt, position: int) -> Path:
        """Where an output of an attempt is staged."""
        return self.store.stage(self.name_of(attempt, position))

    def name_of(self, attempt: Attempt, position: int) -> str:
        """The name under which an output of an attempt is staged."""
        return staged_as(self.order.run, attempt.serial, position)


def union_of(attempts: Sequence[Attempt], position: int) -> Sequence[int]:
    """The ordinals that any of the attempts reads at that position, in order."""
    if len(attempts) == 1:
        return attempts[0].reads[position]
    return sorted(set().union(*(a.reads[position] for a in attempts)))
