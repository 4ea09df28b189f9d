"""How a run is to be carried out, and what it came to: what callers of the project hand over.

Knows nothing of projects or of how anything is run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from partflow.planning.planner import Fault, Plan
from partflow.warehouse.observe import Verify

if TYPE_CHECKING:
    from partflow.execution.summary import Observer, Summary


@dataclass(slots=True)
class Stop:
    """Set `asked` to let a run end what is under way and begin nothing more.

    Set `now` too to have what is under way given up: it is looked at some times a second.
    """

    asked: bool = False
    now: bool = False


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
