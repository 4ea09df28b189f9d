"""Where orders are carried out: in this process one after the other, or in worker processes.

Knows nothing of plans or states. An executor takes orders and gives outcomes back, in any order.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol

from partflow.execution.perform import Failure, Order, Outcome, perform
from partflow.graph import Graph
from partflow.store import Store

Load = Callable[[], tuple[Graph, Store]]
"""Loads the project in a worker process; has to pickle."""

_AT_ONCE = 32
_LONG_ENOUGH = 0.25


class Executor(Protocol):
    """Takes orders, and gives back what became of them."""

    slots: int

    def submit(self, order: Order) -> None:
        """Take an order; never waits."""

    def collect(self) -> list[Outcome]:
        """Wait until at least one order is done; all outcomes that are there."""

    def recall(self) -> list[Order]:
        """Give back the orders that were not begun."""

    def close(self) -> None:
        """Stop; what is not done is given up."""


class InlineExecutor:
    """One worker: this process. A few orders are done at a time, to be published together."""

    def __init__(self, graph: Graph, store: Store) -> None:
        self.slots = _AT_ONCE
        self._graph = graph
        self._store = store
        self._queue: deque[Order] = deque()

    def submit(self, order: Order) -> None:
        """Queue it."""
        self._queue.append(order)

    def collect(self) -> list[Outcome]:
        """Carry out what is queued, for a quarter of a second at most before the last one.

        A failure is given back at once: after it the run may want to begin nothing more.
        """
        began = time.monotonic()
        found: list[Outcome] = []
        while self._queue and (not found or time.monotonic() - began < _LONG_ENOUGH):
            found.append(perform(self._queue.popleft(), self._graph, self._store))
            if found[-1].failure is not None:
                break
        return found

    def recall(self) -> list[Order]:
        """Empty the queue."""
        found = list(self._queue)
        self._queue.clear()
        return found

    def close(self) -> None:
        """Forget the queue."""
        self._queue.clear()


class ProcessExecutor:
    """`workers` spawned processes, each with the user's modules imported once.

    Spawned and not forked: polars in a forked child hangs. A worker that dies costs the orders
    that the pool had in hand; the pool is made anew and they are reported as failed.
    """

    def __init__(self, load: Load, workers: int) -> None:
        self.slots = workers * 2
        self._workers = workers
        self._load = load
        self._pool = self._made()
        self._orders: dict[Future[Outcome], Order] = {}

    def submit(self, order: Order) -> None:
        """Hand it to the pool."""
        try:
            future = self._pool.submit(_work, order)
        except BrokenProcessPool:
            self._renew()
            future = self._pool.submit(_work, order)
        self._orders[future] = order

    def collect(self) -> list[Outcome]:
        """Wait for the pool; a dead worker's orders come back as failures."""
        done, _ = wait(self._orders, return_when=FIRST_COMPLETED)
        found, broken = [], False
        for future in done:
            order = self._orders.pop(future)
            error = future.exception()
            broken = broken or isinstance(error, BrokenProcessPool)
            found.append(future.result() if error is None else Outcome(order, (), _died(error)))
        if broken:
            found += [Outcome(o, (), _died(None)) for o in self._orders.values()]
            self._orders.clear()
            self._renew()
        return found

    def recall(self) -> list[Order]:
        """Take back what no worker has begun with."""
        return [self._orders.pop(f) for f in list(self._orders) if f.cancel()]

    def close(self) -> None:
        """Stop the workers without waiting for what they have in hand."""
        processes = list((self._pool._processes or {}).values())  # noqa: SLF001 - no public way
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()

    def _made(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_prepare,
            initargs=(self._load,),
        )

    def _renew(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._made()


def _died(error: BaseException | None) -> Failure:
    what = (
        "a worker process died"
        if error is None or isinstance(error, BrokenProcessPool)
        else (f"a worker process could not do it ({error})")
    )
    return Failure(f"{what} while it was made; killed, out of memory, or a crash in a library?")


_worker: tuple[Graph, Store] | None = None


def _prepare(load: Load) -> None:
    """Load the project once in a new worker; Ctrl-C is the coordinator's business."""
    global _worker  # noqa: PLW0603 - a worker process has one project for its life
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _worker = load()


def _end_with_parent() -> None:
    """End this worker when the coordinator has died: its queue would never say so."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _work(order: Order) -> Outcome:
    assert _worker is not None
    return perform(order, *_worker)
