"""What may work on a project, and where most of its orders go.

Knows nothing of orders, and imports nothing that carries them out, because a look at the warehouse
needs it even if nothing is to be done.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from partflow.declarations.graph import Graph
from partflow.execution.pace import Forecast
from partflow.store.protocol import Store
from partflow.warehouse.handover import HandOver

if TYPE_CHECKING:
    from partflow.execution.executors.workplace import Load

THREADS = 8
"""How many orders of tasks with `executor="threads"` are carried out at a time."""


class Place(Enum):
    """Where an order is carried out; places are asked for outcomes in this order."""

    ONE_WORKER = auto()  # One process that can be killed and has all processors.
    THREADS = auto()
    WORKERS = auto()  # Processes that share the processors, if there are several.
    HERE = auto()  # This process; asked last, because it carries orders out when it is asked.


@dataclass(frozen=True, slots=True)
class Site:
    """A project, and what may work on it.

    At most `workers` orders are carried out at a time, beside those in up to `threads` threads.
    `executor` is the setting of that name: with "processes" a single worker is a process, too.
    By the `forecast` no more workers are begun than what is to be made is worth. `load` loads the
    project in a worker. `frames` are those that this process has in memory.
    """

    graph: Graph
    store: Store
    load: Load
    workers: int = 1
    frames: HandOver = field(default_factory=HandOver)
    executor: str = "inline"
    threads: int = THREADS
    forecast: Forecast = field(default_factory=Forecast)

    @property
    def only_processes(self) -> bool:
        """Whether this process calls no task itself, except in threads."""
        return self.executor == "processes"

    @property
    def main(self) -> Place:
        """The place of orders that need no other."""
        return Place.WORKERS if self.workers > 1 or self.only_processes else Place.HERE

    @property
    def at_hand(self) -> HandOver | None:
        """Where a look keeps the frames that it reads; None if this process calls no task."""
        return None if self.only_processes else self.frames
