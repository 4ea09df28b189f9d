"""Which worker has a partition at hand: the one that has made it, or read it last.

Knows nothing of workers but their numbers, and of what they hold: it is a guess that saves reading.
"""

from __future__ import annotations

from partflow.declarations.graph import Graph
from partflow.execution.orders import Order

_MOST = 2**15


class Homes:
    """The home of each of the last some thousand partitions."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._homes: dict[tuple[str, int], int] = {}

    def of(self, order: Order) -> int | None:
        """The worker that has what the order reads, or else has made its neighbours."""
        task, attempt = self._graph.task(order.task), order.attempts[0]
        for one, ordinals in zip(task.inputs, attempt.reads, strict=True):
            if ordinals:
                found = self._homes.get((one.read.dataset.name, ordinals[-1]))
                if found is not None:
                    return found
        before, after = attempt.ordinal - 1, order.attempts[-1].ordinal + 1
        for dataset in task.writes:
            for near in (before, after):
                found = self._homes.get((dataset.name, near))
                if found is not None:
                    return found
        return None

    def settle(self, order: Order, number: int) -> None:
        """The order goes to that worker."""
        task = self._graph.task(order.task)
        for attempt in order.attempts:
            for dataset in task.writes:
                self._homes[dataset.name, attempt.ordinal] = number
        for one, ordinals in zip(task.inputs, order.attempts[-1].reads, strict=True):
            if ordinals:
                self._homes[one.read.dataset.name, ordinals[-1]] = number
        while len(self._homes) > _MOST:
            del self._homes[next(iter(self._homes))]
