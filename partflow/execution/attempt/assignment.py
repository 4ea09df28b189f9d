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

    def staged(self, attempt: Attempt, position: int) -> Path:
        """The path at which an output of an attempt is staged; its folder is made."""
        return self.store.stage(self.name_of(attempt, position))

    def name_of(self, attempt: Attempt, position: int) -> str:
        """The name under which an output of an attempt is staged."""
        return staged_as(self.order.run, attempt.serial, position)


def union_of(attempts: Sequence[Attempt], position: int) -> Sequence[int]:
    """The ordinals that these attempts read together in the read at `position`, ascending."""
    if len(attempts) == 1:
        return attempts[0].reads[position]
    return sorted(set().union(*(a.reads[position] for a in attempts)))
