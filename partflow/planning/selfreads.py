"""What partitions of a task that reads its own dataset do to later ones of it, in order of time.

Knows nothing of files, codes or digests. The one place of the planner with a loop over partitions:
each depends on what became of those before it, so that no sum over a range can say it beforehand.
It goes over those that are not simply fresh, and as far beyond them as the task looks back: bytes
and their search, no object for a partition. What is fresh costs nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.mapping import Form

if TYPE_CHECKING:
    from partflow.declarations.task import Task
    from partflow.planning.plan import Codes, Mask

PLANNED, WAITS, BLOCKED = 1, 2, 4
"""What becomes of a partition, as those that read it see it; 0: it stays as it is."""

STILL, BLOCKS, NEEDED, FRESH = range(4)
"""Kinds of partitions: it stays, or it blocks, whatever it reads; it has to be made, if it can; it
may become stale, if nothing holds it up."""


def _outcome(kind: int, finds: int) -> int:
    """What becomes of a partition of that kind that finds this in what it reads."""
    if kind == STILL:
        return 0
    if kind == BLOCKS:
        return BLOCKED
    if kind == NEEDED:
        return finds & BLOCKED or finds & WAITS or PLANNED
    return PLANNED if finds == PLANNED else 0


_OUTCOMES = np.array([[_outcome(k, f) for f in range(8)] for k in range(4)], np.uint8)
_ROWS = tuple(bytes(row) for row in _OUTCOMES)


@dataclass(frozen=True, slots=True)
class Back:
    """A task's read of itself: from `first` to `last` partitions before, both inclusive.

    `position` is that of the read. An optional one finds what is planned, and what holds up
    partitions whose file was there.
    """

    position: int
    first: int
    last: int
    is_optional: bool


def backs_of(task: Task) -> list[Back]:
    """A task's reads of itself, which only look back."""
    found = []
    for position, one in enumerate(task.inputs):
        read = one.read
        if read.dataset in task.writes:
            first, last = (-1, -1) if read.form is Form.PREVIOUS else (read.first, read.last)
            found.append(Back(position, -int(first), -int(last), read.is_optional))
    return found


def spread(kinds: Codes, finds: Codes, backs: list[Back], lost: Mask | None = None) -> Codes:
    """What becomes of each partition, from its kind and what it finds beside its own dataset.

    Those `lost` were made and their file is not there, or cannot be read: no read does without.
    """
    start = _OUTCOMES[kinds, finds]
    restless = start.astype(np.bool_).tobytes()
    t = restless.find(1)
    if t < 0:
        return start
    kind, beside, became = kinds.tobytes(), finds.tobytes(), bytearray(len(kinds))
    gone = bytes(len(kinds)) if lost is None else lost.tobytes()
    spared = bytearray(len(kinds))  # as optional reads see it
    spans = [(b.first, b.last, spared if b.is_optional else became) for b in backs]
    depth, last = max(b.first for b in backs), t
    while 0 <= t < len(kind):
        found = beside[t]
        for far, near, seen in spans:
            if far == near:
                found |= seen[t - far] if t >= far else 0
            elif t >= near:
                found |= _found(seen, max(t - far, 0), t - near + 1)
        became[t] = became_now = _ROWS[kind[t]][found]
        spared[t] = became_now if gone[t] else became_now & PLANNED
        last = t if became_now else last
        t = t + 1 if t < last + depth else restless.find(1, t + 1)
    return np.frombuffer(became, np.uint8)


def _found(became: bytearray, a: int, b: int) -> int:
    """What is found of partitions `[a, b)`."""
    return sum(mark for mark in (PLANNED, WAITS, BLOCKED) if became.find(mark, a, b) >= 0)


def needed_before(needed: Mask, restless: Mask, backs: list[Back]) -> Mask:
    """The needed partitions, and the restless ones that those read of their own dataset, and so on.

    From the last to the first; a partition is looked at once, since ranges never go back up.
    """
    found, moving = bytearray(needed.tobytes()), restless.tobytes()
    lowest = [len(found)] * len(backs)
    t = found.rfind(1)
    while t >= 0:
        for k, back in enumerate(backs):
            a, b = max(t - back.first, 0), min(t - back.last + 1, lowest[k])
            i = moving.find(1, a, max(a, b))
            while i >= 0:
                found[i] = 1
                i = moving.find(1, i + 1, b)
            lowest[k] = min(lowest[k], a)
        t = found.rfind(1, 0, t)
    return np.frombuffer(found, np.bool_)
