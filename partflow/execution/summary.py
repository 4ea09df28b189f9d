"""What a run tells: while it goes on, and in the end.

Knows nothing of how a run is carried out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from partflow.execution.orders import Failure


@dataclass(frozen=True, slots=True)
class Failed:
    """A partition that could not be made: which, where in the user's code, and what was said."""

    task: str
    node: str
    key: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run came to; `unchanged` are those of `ran` whose content stayed as it was."""

    run: str
    ran: int
    unchanged: int
    skipped: int
    failed: int
    blocked: int
    cancelled: int
    seconds: float
    failures: tuple[Failed, ...] = ()


class Observer(Protocol):
    """Watches a run go by; what it does never changes the run."""

    def begun(self, steps: int) -> None:
        """The run has this many steps that will or may run."""

    def moved(self, finished: int, failed: int) -> None:
        """So many steps have come to an end."""


class Quiet:
    """Watches and says nothing."""

    def begun(self, steps: int) -> None:
        """Nothing."""

    def moved(self, finished: int, failed: int) -> None:
        """Nothing."""


class StopSignal(Protocol):
    """Asked for from outside: end what is under way and begin nothing more; or give that up `now`.

    Whoever sets `now` sets `asked` too.
    """

    asked: bool
    now: bool
