"""What every executor is: it takes orders, and gives outcomes back, in any order.

Knows nothing of plans or states, or of how an order is carried out.
"""

from __future__ import annotations

from typing import Protocol

from partflow.execution.orders import Order, Outcome


class Executor(Protocol):
    """Takes orders, and gives back an outcome for each attempt.

    Every attempt of an order that was submitted and not recalled comes back in exactly one outcome,
    even if the thread or process that carries it out dies. `tests/execution/test_executors.py`
    holds each executor to what is said here.
    """

    @property
    def slots(self) -> int:
        """How many orders it can usefully hold at a time; this may change during a run."""

    @property
    def workers(self) -> int:
        """How many of these orders it carries out at a time."""

    def submit(self, order: Order) -> None:
        """Take an order, even if no slot is free; never waits."""

    def collect(self, patience: float) -> list[Outcome]:
        """Wait for outcomes, at most `patience` seconds, and return those that there are.

        If no order is in hand, it returns [] at once. An executor that carries orders out in the
        calling thread does so here, however long it takes.

        Raises:
            ConfigurationError: it cannot carry out any order.
        """

    def recall(self) -> list[Order]:
        """Give back the orders that were not begun; they will have no outcome."""

    def close(self) -> None:
        """Stop: what is under way is ended if possible, and is not waited for if not."""
