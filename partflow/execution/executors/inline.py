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
_TOGETHER = 16
"""So many results are stored together, beside the next calls."""


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
                calls.append(captured(order, self._place, self._capture).secured())
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


_Stored = Future[list[tuple[Outcome, ...]]]


def _has_failed(group: _Stored) -> bool:
    """Wait until it is stored, so that no more than a few are not; whether anything was refused."""
    return any(outcome.failure is not None for found in group.result() for outcome in found)
