"""What a lease is: the right of a run that goes on to what it touches.

Knows nothing of plans, nor of how a lease is held: `protocol.Leases` says what holding them takes.
Correctness rests on epochs; a lease only saves work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

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


def first_met(living: Living, run: str, footprint: Footprint) -> Met | None:
    """The first living run that is in the way; also one of the same number, whatever it does."""
    for lease in living.values():
        at = lease.footprint.meeting(footprint)
        at = Meeting("", 0, 0) if lease.run == run else at
        if at is not None:
            return Met(lease, at)
    return None
