"""How a run is to be carried out, and what it came to: what callers of the project hand over.

Knows nothing of projects or of how anything is run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from partflow.warehouse.verify import Verify

if TYPE_CHECKING:  # a project that says `from partflow import Controls` waits for neither
    from partflow.execution.orders import Failure
    from partflow.planning.plan import Fault, Plan


class StopSignal(Protocol):
    """Tells a run to stop: `asked` to begin nothing more, `now` to give up what is under way, too.

    Whoever sets `now` sets `asked` as well.
    """

    asked: bool
    now: bool


@dataclass(slots=True)
class Stop:
    """Set `asked`, and the run finishes what is under way and begins nothing more.

    Set `now` as well, and it also gives up what is under way. The run looks about twice a second.
    """

    asked: bool = False
    now: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """How many partitions are made on trial before new code is accepted; `seed` picks them."""

    size: int
    seed: int


@dataclass(frozen=True, slots=True)
class Failed:
    """A partition that could not be made, and why; `node` is its dataset, or the effect's name."""

    task: str
    node: str
    key: str
    failure: Failure


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """A task of which `steps` more were not begun, after so many `failures` in a row alike."""

    task: str
    steps: int
    failures: int


@dataclass(frozen=True, slots=True)
class Summary:
    """How many steps of a run ended in which way, and how many seconds it took.

    `unchanged` counts the steps of `ran` whose content stayed the same. `left` are tasks that
    failed too often in a row in the same way; how many of their steps were left is among `blocked`.
    """

    run: str
    ran: int
    unchanged: int
    skipped: int
    failed: int
    blocked: int
    cancelled: int
    seconds: float
    failures: tuple[Failed, ...] = ()
    left: tuple[LeftAlone, ...] = ()


class Observer(Protocol):
    """Is told of a run's progress; nothing that it does changes the run."""

    def begun(self, steps: int) -> None:
        """A run begins that has `steps` steps, of which some may turn out fresh."""

    def moved(self, finished: int, failed: int) -> None:
        """So many steps have ended, with or without success, and so many of them failed."""

    def failed(self, failed: Failed) -> None:
        """A task has failed for the first time in this run."""


class Quiet:
    """An observer that does nothing."""

    def begun(self, steps: int) -> None:
        """Nothing."""

    def moved(self, finished: int, failed: int) -> None:
        """Nothing."""

    def failed(self, failed: Failed) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class Controls:
    """How a run is carried out: at most `workers` calls at once, wherever the executor makes them.

    With `newest_first` the latest partitions are made first. `retries` overrides what tasks say.
    One call makes at most `batch_size` partitions. `trust_clock` says that the clock is right,
    although something was recorded later than now. If the run has to wait for another one, it calls
    `waiting` with a text that says who holds the lease, or which pool is full. It calls `planned`
    with the plan before it makes any of it. If it `gives_back`, a step whose code was edited since
    the run began does not fail: the run begins nothing more, and whoever asked for it plans anew.
    """

    workers: int = 1
    wait: bool = True
    fail_fast: bool = False
    newest_first: bool = False
    retries: int | None = None
    batch_size: int | None = None
    trust_clock: bool = False
    gives_back: bool = False
    verify: Verify = Verify.STAT
    command: str = "python"
    stop: Stop = field(default_factory=Stop)
    observer: Observer | None = None
    waiting: Callable[[str], None] = lambda _: None
    planned: Callable[[Plan], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Result:
    """A plan and the summary of its run; `summary` is None if there was nothing to do.

    `catalog` says why the catalog for DuckDB could not be written, None if it was. A run whose
    catalog could not be written has published its partitions all the same.
    """

    plan: Plan
    summary: Summary | None
    catalog: str | None = None

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What has to be put right before all that was asked for can be made."""
        return self.plan.faults

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to be done: no fault, no step failed, blocked or cancelled."""
        summary = self.summary
        if self.faults:
            return False
        return summary is None or not (summary.failed or summary.blocked or summary.cancelled)
