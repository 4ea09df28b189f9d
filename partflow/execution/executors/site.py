"""What may work on a project, and where most of its orders go.

Knows nothing of orders, and loads nothing that carries them out: a look at the warehouse asks what
will be at hand, whether anything is to be done or not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from partflow.declarations.graph import Graph
from partflow.store.protocol import Store
from partflow.warehouse.handover import HandOver

if TYPE_CHECKING:
    from partflow.execution.executors.workplace import Load

THREADS = 8
"""How many orders of tasks with `executor="threads"` are carried out at a time."""


class Place(Enum):
    """Where an order is carried out, in the order in which they are asked for outcomes."""

    ONE_WORKER = auto()  # a process that can be killed, and that has all processors
    THREADS = auto()
    WORKERS = auto()  # processes that share the processors, unless there is one only
    HERE = auto()  # this process: asked last, since it carries orders out while it is asked


@dataclass(frozen=True, slots=True)
class Site:
    """A project and what may work on it.

    At most `workers` orders are carried out at once, beside those of `threads`. `executor` is the
    word of the configuration: with "processes" also a single worker is a process of its own. `load`
    loads the project in another process. `frames` are those that this process has at hand.
    """

    graph: Graph
    store: Store
    load: Load
    workers: int = 1
    frames: HandOver = field(default_factory=HandOver)
    executor: str = "inline"
    threads: int = THREADS

    @property
    def only_processes(self) -> bool:
        """Whether this process carries nothing out by itself."""
        return self.executor == "processes"

    @property
    def main(self) -> Place:
        """Where an order goes for which nothing speaks for another place."""
        return Place.WORKERS if self.workers > 1 or self.only_processes else Place.HERE

    @property
    def at_hand(self) -> HandOver | None:
        """Where a look keeps the frames that it reads anyway; None if they would not be used.

        Tasks get them from there only if this process calls them.
        """
        return self.frames if self.main is Place.HERE else None
