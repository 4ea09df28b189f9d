"""Leases: the right of a run to what it touches, which it has as long as it goes on.

Knows nothing of plans, nor of how a lease is held: `Leases` is the seam for that, and the contract
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
    """A lease that a run holds: who that is, in words, and what it touches."""

    run: str
    owner: str
    footprint: Footprint


@dataclass(frozen=True, slots=True)
class Taken:
    """A lease was taken; `others` are those of the runs that go on beside it.

    `is_held` says whether it is still held: if somebody has removed its file, another run may have
    begun.
    """

    others: tuple[Lease, ...]
    is_held: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Met:
    """No lease was taken: a run that goes on holds `lease`, and they meet `at` this place."""

    lease: Lease
    at: Meeting


Living = Mapping[str, Lease]
"""The leases that are held, by run."""


def _nothing(living: Living) -> None:
    """Clean up nothing."""


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
        """Hold a lease on what a run touches, unless it meets a run that goes on.

        First `before` is called with the leases that are held, to clean up after dead runs. Nobody
        else takes a lease meanwhile.
        """
        ...

    def await_end(self, met: Met) -> None:
        """Wait until a run that was met has ended, however it ends."""
        ...

    def owner(self, run: str) -> str | None:
        """Who holds the lease of a run, in words; None if nobody does, as it does not go on."""
        ...

    def is_held(self, run: str) -> bool:
        """Whether a run goes on."""
        ...

    def living(self) -> Living:
        """The leases that are held now."""
        ...

    def lead(self) -> AbstractContextManager[Callable[[], bool] | None]:
        """Be the leader until the end of the block; None if another is.

        Else it gives a function that says whether this is still the leader. A leader that dies is
        none any more. Leaders and runs are not in each other's way.
        """
        ...


@dataclass(frozen=True, slots=True)
class Patience:
    """What to do about a run that is in the way: `wait` for it, or raise BusyError.

    `waiting` is called once with who that is, before the wait.
    """

    wait: bool
    waiting: Callable[[str], None]

    def await_end(self, leases: Leases, met: Met, who: str) -> None:
        """Wait until a run has ended; `who` is who runs it, in words. BusyError unless `wait`."""
        if not self.wait:
            raise BusyError(f"another run is at this: {who}; wait for it, or leave --no-wait out")
        self.waiting(who)
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
    """Hold a lease as `taken` does; wait for runs that it meets, or raise BusyError."""
    while True:
        with leases.taken(run, owner, footprint, before) as answer:
            if isinstance(answer, Taken):
                yield answer
                return
        patience.await_end(leases, answer, answer.lease.owner)


def first_met(living: Living, run: str, footprint: Footprint) -> Met | None:
    """The first of the leases that is in the way; one of a run with this id always is."""
    for lease in living.values():
        at = lease.footprint.meeting(footprint)
        at = Meeting("", 0, 0) if lease.run == run else at
        if at is not None:
            return Met(lease, at)
    return None
