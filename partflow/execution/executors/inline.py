"""Orders carried out by this process, one after the other, in the thread that asks for outcomes.

Knows nothing of plans or states, or of what else carries orders out.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from partflow.execution.attempt.sealing import TOGETHER, Called, stored
from partflow.execution.executors.capture import Capture
from partflow.execution.executors.workplace import Workplace, captured
from partflow.execution.orders import Order, Outcome

_AT_ONCE = 32
_LONG_ENOUGH = 0.25
_BESIDE_OTHERS = 0.05
_TOGETHER = 16
"""The most calls whose results are stored together, while the next calls run."""


class InlineExecutor:
    """One worker: this process. It does several orders in a row, to publish them together."""

    def __init__(self, place: Workplace, capture: Capture) -> None:
        self.slots = _AT_ONCE
        self.workers = 1
        self._place = place
        self._capture = capture
        self._queue: deque[Order] = deque()
        self._is_broken_off = False
        # It stores a result while the next call runs: polars and the disk release the GIL.
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="partflow storing")

    def submit(self, order: Order) -> None:
        """Queue an order; an effect goes first, because it is recorded as begun."""
        if self._is_effect(order):
            self._queue.appendleft(order)
        else:
            self._queue.append(order)

    def collect(self, patience: float) -> list[Outcome]:
        """Carry out queued orders; none is begun later than a quarter of a second after the call.

        Or a twentieth, if there is no patience: then workers may be waiting for orders.

        It returns after a failure, since the run may want to begin nothing more; and after an
        effect, whose end has to be recorded before anything else begins. If Ctrl-C breaks it off,
        it returns what was done before, and the next call raises KeyboardInterrupt.
        """
        if self._is_broken_off:
            raise KeyboardInterrupt
        until = time.monotonic() + (_LONG_ENOUGH if patience else _BESIDE_OTHERS)
        calls: list[Called] = []
        nbytes = 0
        groups: list[_Stored] = []
        while self._queue and (not (calls or groups) or time.monotonic() < until):
            order = self._queue.popleft()
            try:
                calls.append(captured(order, self._place, self._capture).secured())
            except KeyboardInterrupt:
                if not calls and not groups:
                    raise
                self._is_broken_off = True
                break
            if calls[-1].has_failed or self._is_effect(order):
                break
            nbytes += calls[-1].nbytes
            if len(calls) >= _TOGETHER or nbytes > TOGETHER:
                groups.append(self._beside.submit(stored, calls, is_beside=True))
                calls, nbytes = [], 0
                if len(groups) > 1 and _has_failed(groups[-2]):
                    break
        if calls:
            groups.append(self._beside.submit(stored, calls, is_beside=True))
        return [o for group in groups for outcomes in group.result() for o in outcomes]

    def _is_effect(self, order: Order) -> bool:
        return self._place.graph.task(order.task).is_effect

    def recall(self) -> list[Order]:
        """Take back all queued orders."""
        orders = list(self._queue)
        self._queue.clear()
        return orders

    def close(self) -> None:
        """Drop the queue, and stop capturing what this process logs."""
        self._queue.clear()
        self._beside.shutdown()
        self._capture.close()


_Stored = Future[list[tuple[Outcome, ...]]]


def _has_failed(group: _Stored) -> bool:
    """Wait until a group is stored, which bounds how many are not; whether anything failed."""
    return any(outcome.failure is not None for outcomes in group.result() for outcome in outcomes)
