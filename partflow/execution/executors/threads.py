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
        wait = max(0.0, patience) if self._in_hand else 0.0
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
            self._done.put(captured(order, self._place, self._capture).stored())
