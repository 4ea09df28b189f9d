"""What somebody has to put right outside of partflow before all that is asked for can be made.

Knows nothing of files: the snapshot says which cannot be read, and the plan what is made from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from partflow.errors import ClockError
from partflow.planning.demand import covered
from partflow.planning.plan import CLOCK_SLACK, Fault, Plan, State
from partflow.planning.snapshot import Condition, Snapshot, Unreadable

if TYPE_CHECKING:
    from partflow.planning.plan import Mask


_SET_CLOCK = (
    "set the clock right; if it is right, and was ahead when that was recorded, make what there is "
    "to make once with --trust-clock"
)


def faults_of(found: Plan, needed: Mapping[str, Mask] | None) -> tuple[Fault, ...]:
    """The faults behind a plan's request, in the graph's order; that of the clock comes first.

    `needed` says which partitions of each task the request needs; None for a request of everything,
    which every source's file counts for.
    """
    faults = list(_of_clock(found.snapshot))
    for name, dataset in found.graph.datasets.items():
        state = found.snapshot.states[name]
        damaged = state.condition == Condition.DAMAGED
        if not dataset.is_source or not damaged.any():
            continue
        if needed is not None:
            damaged &= _concerned(found, needed, name, state.lo, len(damaged))
        for ordinal in (np.flatnonzero(damaged) + state.lo).tolist():
            key = dataset.grain.key(ordinal)
            said = found.snapshot.unreadable.get((name, key), Unreadable("", "it is damaged", ""))
            faults.append(Fault(name, key, said.file, said.reason, said.advice))
    return tuple(faults)


def require_clock(found: Plan) -> None:
    """Raise ClockError if the clock is behind what was recorded last: what is due is not known."""
    for fault in found.faults:
        if not fault.dataset:
            raise ClockError(f"{fault.reason}, so nothing was made; {fault.advice}")


def _concerned(found: Plan, needed: Mapping[str, Mask], name: str, lo: int, n: int) -> Mask:
    """Which partitions of a source are named, or block what is needed."""
    wanted = (found.request.wanted or {}).get(name)
    here = np.zeros(n, np.bool_) if wanted is None else wanted.mask(lo, lo + n)
    for task, position in found.graph.readers(name):
        planned = found.tasks[task.name]
        blocked = needed[task.name] & (planned.state == State.BLOCKED)
        if blocked.any():
            here |= covered(planned.bounds[position], blocked, lo, n)
    return here


def _of_clock(snapshot: Snapshot) -> list[Fault]:
    """A clock behind what was recorded last: nothing that is due by it is to be relied on."""
    behind = snapshot.newest_at - snapshot.now
    if behind <= CLOCK_SLACK:
        return []
    reason = (
        f"the clock is {_long(behind)} behind the last record, of {_moment(snapshot.newest_at)}"
    )
    return [Fault("", "", "", reason, _SET_CLOCK)]


def _long(seconds: int) -> str:
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = seconds // size
            return f"{number:,} {word}{'' if number == 1 else 's'}"
    return f"{seconds} seconds"


def _moment(at: int) -> str:
    return str(np.datetime64(at, "s")).replace("T", " ") + " UTC"
