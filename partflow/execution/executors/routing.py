"""Where orders are carried out: in this process, in threads, in worker processes, each its own.

Knows nothing of plans or states. An executor takes orders and gives outcomes back, in any order.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from partflow.declarations.graph import Graph
from partflow.execution.attempt.sealing import TOGETHER, Called, stored
from partflow.execution.executors.capture import Capture
from partflow.execution.executors.processes import ProcessExecutor
from partflow.execution.executors.workplace import Load, Shares, Workplace, log_paths
from partflow.execution.orders import Order, Outcome
from partflow.process.machine import memory, processors
from partflow.store.local import Store
from partflow.warehouse.handover import HandOver

THREADS = 8
"""How many orders of tasks with `executor="threads"` are carried out at a time."""

_AT_ONCE = 32
_LONG_ENOUGH = 0.25
_TURN = 0.01
_TOGETHER = 16
"""So many results are stored together, beside the next calls."""
_MEMORY_SHARE = 0.5


class Executor(Protocol):
    """Takes orders, and gives back what became of them."""

    @property
    def slots(self) -> int:
        """How many orders it takes in hand at once; it may change as it goes on."""

    @property
    def workers(self) -> int:
        """How many of these it carries out at a time."""

    def submit(self, order: Order) -> None:
        """Take an order; never waits."""

    def collect(self, patience: float) -> list[Outcome]:
        """What became of attempts, as soon as there is any; [] after `patience` seconds.

        Where this process does the work itself, it does it here, however long it takes.
        """

    def recall(self) -> list[Order]:
        """Give back the orders that were not begun."""

    def close(self) -> None:
        """Stop. What is not done is given up, and worker processes are killed."""


class _Member(Executor, Protocol):
    """An executor that says whether it has orders that are not answered."""

    @property
    def is_busy(self) -> bool: ...


class InlineExecutor:
    """One worker: this process. A few orders are done at a time, to be published together."""

    def __init__(self, place: Workplace, capture: Capture) -> None:
        self.slots = _AT_ONCE
        self.workers = 1
        self._place = place
        self._capture = capture
        self._queue: deque[Order] = deque()
        self._is_broken_off = False
        # What a call returned is stored beside the next call; polars and the disk let Python go on.
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="partflow storing")

    @property
    def is_busy(self) -> bool:
        """Whether any order is queued."""
        return bool(self._queue) or self._is_broken_off

    def submit(self, order: Order) -> None:
        """Queue it; an effect goes first: by now its beginning is recorded."""
        if self._is_effect(order):
            self._queue.appendleft(order)
        else:
            self._queue.append(order)

    def collect(self, patience: float) -> list[Outcome]:  # noqa: ARG002 - it does not wait
        """Carry out what is queued, for a quarter of a second at most before the last one.

        A failure is given back at once: after it the run may want to begin nothing more. So is an
        effect: its end has to be recorded before anything else begins. Broken
        off by Ctrl-C it gives back what was done before; asked again, it raises what broke it off.
        """
        if self._is_broken_off:
            raise KeyboardInterrupt
        began = time.monotonic()
        calls: list[Called] = []
        found: list[_Stored] = []
        while self._queue and (not (calls or found) or time.monotonic() - began < _LONG_ENOUGH):
            order = self._queue.popleft()
            try:
                calls.append(_captured(order, self._place, self._capture))
                calls[-1].secure()
            except KeyboardInterrupt:
                if not calls and not found:
                    raise
                self._is_broken_off = True
                break
            if calls[-1].has_failed or self._is_effect(order):
                break
            if len(calls) >= _TOGETHER or sum(one.nbytes for one in calls) > TOGETHER:
                found.append(self._beside.submit(stored, calls, is_beside=True))
                calls = []
                if len(found) > 1 and _has_failed(found[-2]):
                    break
        if calls:
            found.append(self._beside.submit(stored, calls, is_beside=True))
        return [o for group in found for outcomes in group.result() for o in outcomes]

    def _is_effect(self, order: Order) -> bool:
        return self._place.graph.task(order.task).is_effect

    def recall(self) -> list[Order]:
        """Empty the queue."""
        found = list(self._queue)
        self._queue.clear()
        return found

    def close(self) -> None:
        """Forget the queue; stdout, stderr and logging are as they were."""
        self._queue.clear()
        self._beside.shutdown()
        self._capture.close()


class ThreadExecutor:
    """Threads of this process, for tasks that wait for the network more than they compute.

    They are begun as they are needed. A thread can't be killed: one that is still at work when the
    executor is closed is left alone, and ends with the process.
    """

    def __init__(self, place: Workplace, capture: Capture, threads: int = THREADS) -> None:
        self.slots = threads * 2
        self.workers = threads
        self._place = place
        self._capture = capture
        self._threads: list[threading.Thread] = []
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._done: queue.SimpleQueue[Sequence[Outcome]] = queue.SimpleQueue()
        self._in_hand = 0

    @property
    def is_busy(self) -> bool:
        """Whether any order is not answered."""
        return self._in_hand > 0

    def submit(self, order: Order) -> None:
        """Queue it for the next thread that has nothing to do."""
        self._in_hand += 1
        self._orders.put(order)
        if len(self._threads) < min(self._in_hand, self.workers):
            # Daemons: a thread that hangs must not keep the process from ending.
            thread = threading.Thread(target=self._work, name="partflow thread", daemon=True)
            self._threads.append(thread)
            thread.start()

    def collect(self, patience: float) -> list[Outcome]:
        """What the threads have done, waiting at most so many seconds for the first."""
        found: list[Outcome] = []
        wait = max(0.0, patience) if self.is_busy else 0.0
        with suppress(queue.Empty):
            while True:
                found += self._done.get(timeout=wait) if wait else self._done.get_nowait()
                self._in_hand -= 1
                wait = 0.0
        return found

    def recall(self) -> list[Order]:
        """Take back what no thread has begun."""
        found = []
        with suppress(queue.Empty):
            while True:
                order = self._orders.get_nowait()
                if order is not None:
                    found.append(order)
        self._in_hand -= len(found)
        return found

    def close(self) -> None:
        """Let the threads end after what they are at."""
        self.recall()
        for _ in self._threads:
            self._orders.put(None)
        self._threads.clear()
        self._capture.close()

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            self._done.put(_captured(order, self._place, self._capture).stored())


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
        self._main: _Member = (
            self._processes(site.workers)
            if site.workers > 1 or site.only_processes
            else self._inline()
        )
        self._threads: _Member | None = None
        self._stoppable: _Member | None = None
        self._alone: _Member | None = None

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

    def _members(self) -> list[_Member]:
        found = (self._stoppable, self._threads, self._alone, self._main)
        return [member for member in found if member is not None]

    def _sharing(self) -> list[_Member]:
        """Those that are at work side by side, and not only where there is nothing else."""
        several = self._site.workers > 1
        return [
            member
            for member in self._members()
            if member is not self._alone and not (several and member is self._stoppable)
        ]

    def _of(self, order: Order) -> _Member:
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

    def _process(self) -> _Member:
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


def _captured(order: Order, place: Workplace, capture: Capture) -> Called:
    """Call an order's task in this process, and keep what it writes."""
    with capture.into(log_paths(place.store, order)) as log:
        called = place.call(order)
    called.has_log = log.is_there
    return called


_Stored = Future[list[tuple[Outcome, ...]]]


def _has_failed(group: _Stored) -> bool:
    """Wait until it is stored, so that no more than a few are not; whether anything was refused."""
    return any(outcome.failure is not None for found in group.result() for outcome in found)
