"""Sends each order to where it belongs: this process, its threads, or worker processes.

Knows nothing of plans or states. An executor takes orders and gives outcomes back, in any order.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from partflow.declarations.graph import Graph
from partflow.execution.executors.capture import Capture
from partflow.execution.executors.inline import InlineExecutor
from partflow.execution.executors.processes import ProcessExecutor
from partflow.execution.executors.protocol import Executor, Member
from partflow.execution.executors.threads import THREADS, ThreadExecutor
from partflow.execution.executors.workermain import Load, Shares
from partflow.execution.executors.workplace import Workplace
from partflow.execution.orders import Order, Outcome
from partflow.process.machine import memory, processors
from partflow.store.local import Store
from partflow.warehouse.handover import HandOver

_TURN = 0.01
_MEMORY_SHARE = 0.5


class RoutedExecutor:
    """Sends each order where it belongs: to threads, to a process that can be killed, or inline.

    A task with a time limit always goes to a worker process: nothing else can be stopped. Several
    workers share the processors between them. An order with nothing beside it is carried out by
    this process, which has them all; or by a process that has, if it may have to be ended.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._capture = Capture()
        self._place = Workplace(site.graph, site.store, site.frames)
        self._main: Member = (
            self._processes(site.workers)
            if site.workers > 1 or site.only_processes
            else self._inline()
        )
        self._threads: Member | None = None
        self._stoppable: Member | None = None
        self._alone: Member | None = None

    @property
    def slots(self) -> int:
        """Those of all the executors that take more than one order."""
        return sum(one.slots for one in self._sharing())

    @property
    def workers(self) -> int:
        """Those of all the executors that take more than one order."""
        return sum(one.workers for one in self._sharing())

    def submit(self, order: Order) -> None:
        """Send it where it belongs."""
        self._of(order).submit(order)

    def collect(self, patience: float) -> list[Outcome]:
        """What any of them has done; they are asked in turn."""
        until = time.monotonic() + patience
        while True:
            busy = [one for one in self._members() if one.is_busy]
            wait = max(0.0, until - time.monotonic())
            if len(busy) > 1:
                has_work_here = any(isinstance(one, InlineExecutor) for one in busy)
                wait = 0.0 if has_work_here else min(wait, _TURN)
            found = [outcome for one in busy for outcome in one.collect(wait)]
            if found or not busy or time.monotonic() >= until:
                return found

    def recall(self) -> list[Order]:
        """Take back what none of them has begun."""
        return [order for one in self._members() for order in one.recall()]

    def close(self) -> None:
        """Close them all."""
        for one in self._members():
            one.close()

    def _members(self) -> list[Member]:
        found = (self._stoppable, self._threads, self._alone, self._main)
        return [member for member in found if member is not None]

    def _sharing(self) -> list[Member]:
        """Those that are at work side by side, and not only where there is nothing else."""
        several = self._site.workers > 1
        return [
            member
            for member in self._members()
            if member is not self._alone and not (several and member is self._stoppable)
        ]

    def _of(self, order: Order) -> Member:
        has_all = order.is_alone and not any(one.is_busy for one in self._members())
        if order.timeout is not None:
            if isinstance(self._main, ProcessExecutor) and not (has_all and self._shares):
                return self._main
            return self._process()
        if self._site.graph.task(order.task).options.executor == "threads":
            if self._threads is None:
                self._threads = ThreadExecutor(self._place, self._capture, self._site.threads)
            return self._threads
        if not (has_all and self._shares):
            return self._main
        if self._site.only_processes or order.may_end_its_process:
            return self._process()
        if self._alone is None:
            self._alone = self._inline()
        return self._alone

    @property
    def _shares(self) -> bool:
        """Whether workers have a part of the processors only."""
        return self._site.workers > 1

    def _inline(self) -> InlineExecutor:
        return InlineExecutor(self._place, self._capture)

    def _process(self) -> Member:
        """The one worker that has all processors."""
        if self._stoppable is None:
            self._stoppable = self._processes(1)
        return self._stoppable

    def _processes(self, workers: int) -> ProcessExecutor:
        site, limit = self._site, memory()
        shares = Shares(
            None if limit is None else int(limit * _MEMORY_SHARE / workers),
            None if workers == 1 else max(1, processors() // workers),
        )
        return ProcessExecutor(site.load, site.graph, site.store, workers, shares)


@dataclass(frozen=True, slots=True)
class Site:
    """A project and what may work on it: `workers` above one are processes of their own.

    With `only_processes` a single worker is one, too. `load` loads the project in a worker.
    """

    graph: Graph
    store: Store
    load: Load
    workers: int = 1
    frames: HandOver = field(default_factory=HandOver)
    only_processes: bool = False
    threads: int = THREADS


def executor_for(site: Site) -> Executor:
    """The executor of a run; processes and threads are begun when there is work for them."""
    return RoutedExecutor(site)
