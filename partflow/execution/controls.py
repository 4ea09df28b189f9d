"""How a run is to be carried out, and what it came to: what callers of the project hand over.

Knows nothing of projects or of how anything is run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from partflow.execution.orders import Failure
from partflow.planning.planner import Fault, Plan
from partflow.warehouse.observe import Verify


class StopSignal(Protocol):
    """Asked for from outside: end what is under way and begin nothing more; or give that up `now`.

    Whoever sets `now` sets `asked` too.
    """

    asked: bool
    now: bool


@dataclass(slots=True)
class Stop:
    """Set `asked` to let a run end what is under way and begin nothing more.

    Set `now` too to have what is under way given up: it is looked at some times a second.
    """

    asked: bool = False
    now: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """How many partitions are made aside before new code is accepted, picked by a seed."""

    size: int
    seed: int


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


@dataclass(frozen=True, slots=True)
class Controls:
    """How a run is carried out; `workers` above one are processes of their own.

    With `newest_first` the latest partitions are made first; `retries` stands in for what tasks
    say; `batch_size` bounds how many partitions one call makes. `trust_clock` says that the clock
    is right, although something was recorded later than now. `waiting` is told who has the
    warehouse when the run has to wait for it, `planned` the plan before anything of it is made.
    """

    workers: int = 1
    wait: bool = True
    fail_fast: bool = False
    newest_first: bool = False
    retries: int | None = None
    batch_size: int | None = None
    trust_clock: bool = False
    verify: Verify = Verify.STAT
    command: str = "python"
    stop: Stop = field(default_factory=Stop)
    observer: Observer | None = None
    waiting: Callable[[str], None] = lambda _: None
    planned: Callable[[Plan], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Result:
    """A plan and what its run came to; `summary` is None if there was nothing to do.

    `catalog` says why the catalog for DuckDB could not be written, if it could not; the run itself
    is done then as it says.
    """

    plan: Plan
    summary: Summary | None
    catalog: str | None = None

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What somebody has to put right before all that was asked for can be made."""
        return self.plan.faults

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to be done: no fault, no step failed, blocked or cancelled."""
        found = self.summary
        if self.faults:
            return False
        return found is None or not (found.failed or found.blocked or found.cancelled)
