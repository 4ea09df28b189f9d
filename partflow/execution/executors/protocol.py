"""What carries orders out, wherever that is: orders in, outcomes back, in any order.

Knows nothing of plans or states, or of how an order is carried out.
"""

from __future__ import annotations

from typing import Protocol

from partflow.execution.orders import Order, Outcome


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


class Member(Executor, Protocol):
    """An executor that says whether it has orders that are not answered."""

    @property
    def is_busy(self) -> bool:
        """Whether any order is not answered."""
