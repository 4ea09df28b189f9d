"""A project that is loaded in this process, so that orders can be carried out here.

Knows nothing of how orders are shared out, or of whose process it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from partflow.code.fingerprint import CodeFingerprint
from partflow.declarations.graph import Graph
from partflow.declarations.task import Task
from partflow.execution.attempt.failures import text_of
from partflow.execution.attempt.perform import call
from partflow.execution.attempt.sealing import Called
from partflow.execution.executors.capture import Capture
from partflow.execution.orders import Cost, Failure, Order, Outcome
from partflow.process.surroundings import own_process_only, put_back
from partflow.store.protocol import Store
from partflow.warehouse.handover import HandOver

Loaded = tuple[Graph, Store, Callable[[Task], CodeFingerprint]]
"""A project that this process has imported, and a function for its tasks' fingerprints."""
Load = Callable[[], Loaded]
"""Loads the project in a worker process; it has to be picklable."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """A loaded project, with the frames that its last orders have left in memory.

    `number` is that of the worker; 0 is the run's own process. Threads may share it. In a worker,
    `codes` tells whether it has imported the same code as the run's process.
    """

    graph: Graph
    store: Store
    frames: HandOver
    number: int = 0
    codes: Codes | None = None

    def carry_out(self, order: Order) -> tuple[Outcome, ...]:
        """Carry an order out; returns an outcome for each attempt."""
        return self.call(order).stored()

    def call(self, order: Order) -> Called:
        """Call the task; whatever it raises, even SystemExit, becomes its attempts' failure.

        Only KeyboardInterrupt in the main thread of the run's process is raised: it is for the run.
        """
        if self.codes is not None and not self.codes.are_of(order):
            failure = Failure(
                f"the code of {order.task} was changed since the run began; run again",
                is_final=True,
                is_of_other_code=True,
            )
            return _not_made(order, failure)
        try:
            with own_process_only(), put_back():
                called = call(order, self.graph, self.store, self.frames)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and self._is_coordinating():
                raise
            failure = Failure(
                f"{type(error).__name__}: {text_of(error)}".removesuffix(": "),
                self.graph.task(order.task).place,
                is_shared=len(order.attempts) > 1,
            )
            return _not_made(order, failure)
        if not self.number:
            return called
        return replace(called, cost=replace(called.cost, worker=self.number))

    def _is_coordinating(self) -> bool:
        return not self.number and threading.current_thread() is threading.main_thread()


def _not_made(order: Order, failure: Failure) -> Called:
    return Called(order, tuple(failure for _ in order.attempts), Cost())


class Codes:
    """Compares the code that this process has imported with that of orders."""

    def __init__(self, graph: Graph, code_of: Callable[[Task], CodeFingerprint]) -> None:
        self._graph, self._code_of = graph, code_of
        self._known: dict[str, str] = {}

    def are_of(self, order: Order) -> bool:
        """Whether an order is for the code that is imported here; true if it names no code."""
        wanted = order.attempts[0].lineage.code
        if wanted and order.task not in self._known:
            self._known[order.task] = self._code_of(self._graph.task(order.task)).digest
        return not wanted or self._known[order.task] == wanted


def log_paths(store: Store, order: Order) -> list[Path]:
    """The paths of an order's logs; a batch has one log, under the name of each attempt."""
    folder = store.layout.logs_of(order.run)
    return [folder / f"{a.serial}.log" for a in order.attempts]


def captured(order: Order, place: Workplace, capture: Capture) -> Called:
    """Call an order's task in this process, and keep what it prints and logs."""
    with capture.into(log_paths(place.store, order)) as log:
        called = place.call(order)
    return replace(called, has_log=True) if log.is_there else called
