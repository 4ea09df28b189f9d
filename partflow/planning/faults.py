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


def faults_of(plan: Plan, needed: Mapping[str, Mask] | None) -> tuple[Fault, ...]:
    """The faults behind a plan's request: that of the clock first, then those of sources.

    `needed` says which partitions of each task the request needs. It is None if everything is
    requested: then every file of a source counts.
    """
    faults = list(_of_clock(plan.snapshot))
    for name, dataset in plan.graph.datasets.items():
        state = plan.snapshot.states[name]
        damaged = state.condition == Condition.DAMAGED
        if dataset.is_source:
            faults += _of_folder(plan, needed, name)
        if not dataset.is_source or not damaged.any():
            continue
        if needed is not None:
            damaged &= _concerned(plan, needed, name, state.lo, len(damaged))
        for ordinal in (np.flatnonzero(damaged) + state.lo).tolist():
            key = dataset.grain.key(ordinal)
            why = plan.snapshot.unreadable.get((name, key), Unreadable("", "it is damaged", ""))
            faults.append(Fault(name, key, why.file, why.reason, why.advice))
    return tuple(faults)


def _of_folder(plan: Plan, needed: Mapping[str, Mask] | None, name: str) -> list[Fault]:
    """The fault of a source's folder that is amiss, if the request needs the source or names it."""
    lost = plan.snapshot.lost.get(name)
    if lost is None:
        return []
    readers = [task.name for task, _ in plan.graph.readers(name)]
    is_named = name in (plan.request.wanted or {})
    if needed is not None and not is_named and not any(needed[task].any() for task in readers):
        return []
    key = plan.graph.datasets[name].grain.key(lost.first)
    return [Fault(name, key, lost.folder, lost.reason, lost.advice)]


def require_clock(plan: Plan) -> None:
    """Raise ClockError if the clock is behind what was recorded last: what is due is not known."""
    for fault in plan.faults:
        if not fault.dataset:
            raise ClockError(f"{fault.reason}, so nothing was made; {fault.advice}")


def _concerned(plan: Plan, needed: Mapping[str, Mask], name: str, lo: int, n: int) -> Mask:
    """Which of a source's `n` partitions from `lo` on the request names, or block what it needs."""
    wanted = (plan.request.wanted or {}).get(name)
    here = np.zeros(n, np.bool_) if wanted is None else wanted.mask(lo, lo + n)
    for task, position in plan.graph.readers(name):
        planned = plan.tasks[task.name]
        blocked = needed[task.name] & (planned.state == State.BLOCKED)
        if blocked.any():
            here |= covered(planned.bounds[position], blocked, lo, n)
    return here


def _of_clock(snapshot: Snapshot) -> list[Fault]:
    """The fault of a clock that is behind the last record: it cannot tell what is due."""
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
