"""What carries orders out, wherever that is: orders in, outcomes back, in any order.

Knows nothing of plans or states, or of how an order is carried out.
"""

from __future__ import annotations

from typing import Protocol

from partflow.execution.orders import Order, Outcome


class Executor(Protocol):
    """Takes orders, and gives back what became of them.

    Each attempt of each order that was submitted and not recalled comes back in one outcome, once,
    whatever happens to what carries it out. `tests/execution/test_executors.py` holds each executor
    to what is said here.
    """

    @property
    def slots(self) -> int:
        """How many orders it takes in hand at once; it may change as it goes on."""

    @property
    def workers(self) -> int:
        """How many of these it carries out at a time."""

    def submit(self, order: Order) -> None:
        """Take an order, also beyond the slots; never waits."""

    def collect(self, patience: float) -> list[Outcome]:
        """What became of attempts, as soon as there is any; [] after `patience` seconds.

        And at once if there is nothing that could come. Where this process does the work itself, it
        does it here, however long it takes. Raises ConfigurationError if it can't carry out any.
        """

    def recall(self) -> list[Order]:
        """Give back the orders that were not begun; nothing comes back of them any more."""

    def close(self) -> None:
        """Stop. What is not done is given up: it is ended if it can be, and else not waited for."""
