"""Leases: the right of a run that goes on to what it touches, and what whoever keeps them can do.

Knows nothing of plans, nor of how a lease is held: `Leases` is the seam for it, and the contract
tests in `tests/metastore/` say in full what an implementation has to do. Correctness rests on
epochs; a lease only saves work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from partflow.errors import BusyError
from partflow.planning.footprint import Footprint, Meeting


@dataclass(frozen=True, slots=True)
class Lease:
    """What another holds: its run, who it is in words, and what it touches."""

    run: str
    owner: str
    footprint: Footprint


@dataclass(frozen=True, slots=True)
class Taken:
    """A lease was taken; `others` are those of the runs that go on beside it.

    `is_held` says whether it still is: somebody may have removed its file, and another run began.
    """

    others: tuple[Lease, ...]
    is_held: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Met:
    """No lease was taken: a run that goes on meets it there."""

    lease: Lease
    at: Meeting


Living = Mapping[str, Lease]
"""The leases that are held, by run."""


def _nothing(living: Living) -> None:
    """There is nothing to be put right."""


class Leases(Protocol):
    """Who may run what: each run holds a lease on what it touches, for as long as it lives.

    What a dead run held is free at once.
    """

    def taken(
        self,
        run: str,
        owner: str,
        footprint: Footprint,
        before: Callable[[Living], None] = _nothing,
    ) -> AbstractContextManager[Taken | Met]:
        """Hold a lease on what a run touches, unless one that goes on meets it.

        Before that, whatever is to be done to what dead runs left is done, given who is alive:
        nobody else takes a lease meanwhile.
        """
        ...

    def await_end(self, met: Met) -> None:
        """Wait until a run that was met has ended, however it ends."""
        ...

    def owner(self, run: str) -> str | None:
        """Who holds the lease of a run, in words; None if nobody does: it does not go on."""
        ...

    def is_held(self, run: str) -> bool:
        """Whether a run goes on."""
        ...

    def lead(self) -> AbstractContextManager[Callable[[], bool] | None]:
        """Lead all that ask to, until the end of the block; None if another leads.

        Else what tells whether this one still does. Whoever dies leads no more. It is in no run's
        way, and no run in its.
        """
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """What is done about a run that is in the way: it is waited for, or BusyError is raised.

    `waiting` is told who that is, once, before the wait.
    """

    wait: bool
    waiting: Callable[[str], None]

    def await_end(self, leases: Leases, met: Met, said: str) -> None:
        """Wait until a run has ended, of which this is `said`; BusyError if that is not wished."""
        if not self.wait:
            raise BusyError(f"another run is at this: {said}; wait for it, or leave --no-wait out")
        self.waiting(said)
        leases.await_end(met)


@contextmanager
def kept(
    leases: Leases,
    run: str,
    owner: str,
    footprint: Footprint,
    before: Callable[[Living], None] = _nothing,
    *,
    patience: Patience,
) -> Iterator[Taken]:
    """Hold a lease; wait for whoever has what it touches, or raise BusyError."""
    while True:
        with leases.taken(run, owner, footprint, before) as found:
            if isinstance(found, Taken):
                yield found
                return
        patience.await_end(leases, found, found.lease.owner)


def first_met(living: Living, run: str, footprint: Footprint) -> Met | None:
    """The first living run that is in the way; also one of the same number, whatever it does."""
    for lease in living.values():
        at = lease.footprint.meeting(footprint)
        at = Meeting("", 0, 0) if lease.run == run else at
        if at is not None:
            return Met(lease, at)
    return None
