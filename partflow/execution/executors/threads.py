"""Orders carried out by threads of this process, side by side.

Knows nothing of plans or states, or of what else carries orders out.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from contextlib import suppress

from partflow.execution.executors.capture import Capture
from partflow.execution.executors.site import THREADS
from partflow.execution.executors.workplace import Workplace, captured
from partflow.execution.orders import Order, Outcome


class ThreadExecutor:
    """Threads of this process, for tasks that wait for the network more than they compute.

    Threads are started when they are needed. A thread cannot be killed: one that is at work when
    the executor is closed goes on, and ends with the process at the latest.
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

    def submit(self, order: Order) -> None:
        """Queue an order for the next idle thread."""
        self._in_hand += 1
        self._orders.put(order)
        if len(self._threads) < min(self._in_hand, self.workers):
            # A daemon, because a thread that hangs must not keep the process from ending.
            thread = threading.Thread(target=self._work, name="partflow thread", daemon=True)
            self._threads.append(thread)
            thread.start()

    def collect(self, patience: float) -> list[Outcome]:
        """The outcomes that threads have, after at most `patience` seconds for the first."""
        outcomes: list[Outcome] = []
        wait = max(0.0, patience) if self._in_hand else 0.0
        with suppress(queue.Empty):
            while True:
                outcomes += self._done.get(timeout=wait) if wait else self._done.get_nowait()
                self._in_hand -= 1
                wait = 0.0
        return outcomes

    def recall(self) -> list[Order]:
        """Take back the orders that no thread has begun."""
        orders = []
        with suppress(queue.Empty):
            while True:
                order = self._orders.get_nowait()
                if order is not None:
                    orders.append(order)
        self._in_hand -= len(orders)
        return orders

    def close(self) -> None:
        """Let each thread end after its present order; does not wait for them."""
        self.recall()
        for _ in self._threads:
            self._orders.put(None)
        self._threads.clear()
        self._capture.close()

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            self._done.put(captured(order, self._place, self._capture).stored())
