"""Works out, for a task that reads its own dataset, what partitions do to later ones.

Knows nothing of files, codes or digests. Only here the planner loops over partitions: what becomes
of one depends on what became of those before it, which no prefix sum can tell. The loop visits
those that are not simply fresh, and those after them as far as the task looks back. It works on
bytes, with no object for a partition; fresh partitions cost nothing.
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
"""Marks: what becomes of a partition, as its readers see it; 0 if it stays as it is."""

STILL, BLOCKS, LACKS, NEEDED, FRESH = range(5)
"""Kinds of partitions: STILL stays, BLOCKS is blocked and LACKS waits, whatever it reads; NEEDED
has to be made, and FRESH may become stale, unless something that it reads holds it up."""


def _outcome(kind: int, finds: int) -> int:
    """The mark of a partition of that kind; `finds` are the marks of what it reads, joined by |."""
    if kind == STILL:
        return 0
    if kind == BLOCKS:
        return BLOCKED
    if kind == LACKS:
        return WAITS
    if kind == NEEDED:
        return finds & BLOCKED or finds & WAITS or PLANNED
    return PLANNED if finds == PLANNED else 0


_OUTCOMES = np.array([[_outcome(k, f) for f in range(8)] for k in range(5)], np.uint8)
_ROWS = tuple(bytes(row) for row in _OUTCOMES)


@dataclass(frozen=True, slots=True)
class Back:
    """A task's read of its own dataset: from `first` to `last` partitions back, both inclusive.

    `position` is that of the read among the task's inputs. If it is optional, it is held up only by
    partitions that `spread` is told are lost.
    """

    position: int
    first: int
    last: int
    is_optional: bool


def backs_of(task: Task) -> list[Back]:
    """A task's reads of its own datasets, which only look back."""
    backs = []
    for position, task_input in enumerate(task.inputs):
        read = task_input.read
        if read.dataset in task.writes:
            first, last = (-1, -1) if read.form is Form.PREVIOUS else (read.first, read.last)
            backs.append(Back(position, -int(first), -int(last), read.is_optional))
    return backs


def spread(kinds: Codes, finds: Codes, backs: list[Back], lost: Mask | None = None) -> Codes:
    """The mark of each partition, from its kind and from the marks of what it reads elsewhere.

    `finds` holds the marks of what it reads of other datasets, and of its own before the first
    partition here. `lost` are those that an optional read cannot do without either.
    """
    start = _OUTCOMES[kinds, finds]
    restless = start.astype(np.bool_).tobytes()
    t = restless.find(1)
    if t < 0:
        return start
    kind, beside, became = kinds.tobytes(), finds.tobytes(), bytearray(len(kinds))
    gone = bytes(len(kinds)) if lost is None else lost.tobytes()
    to_optional = bytearray(len(kinds))  # the marks as optional reads see them
    spans = [(b.first, b.last, to_optional if b.is_optional else became) for b in backs]
    depth, last = max(b.first for b in backs), t
    while 0 <= t < len(kind):
        read = beside[t]
        for far, near, marks in spans:
            if far == near:
                read |= marks[t - far] if t >= far else 0
            elif t >= near:
                read |= _marks_in(marks, max(t - far, 0), t - near + 1)
        became[t] = mark = _ROWS[kind[t]][read]
        to_optional[t] = mark if gone[t] else mark & PLANNED
        last = t if mark else last
        t = t + 1 if t < last + depth else restless.find(1, t + 1)
    return np.frombuffer(became, np.uint8)


def _marks_in(marks: bytearray, a: int, b: int) -> int:
    """The marks of partitions `[a, b)`, joined by |."""
    return sum(mark for mark in (PLANNED, WAITS, BLOCKED) if marks.find(mark, a, b) >= 0)


def needed_before(needed: Mask, restless: Mask, backs: list[Back]) -> Mask:
    """The needed partitions, and the restless ones that those read of their own dataset, and so on.

    Goes from the last to the first. Each read looks at a partition once, since the ranges of
    earlier partitions never reach further up.
    """
    reached, moving = bytearray(needed.tobytes()), restless.tobytes()
    lowest = [len(reached)] * len(backs)
    t = reached.rfind(1)
    while t >= 0:
        for k, back in enumerate(backs):
            a, b = max(t - back.first, 0), min(t - back.last + 1, lowest[k])
            i = moving.find(1, a, max(a, b))
            while i >= 0:
                reached[i] = 1
                i = moving.find(1, i + 1, b)
            lowest[k] = min(lowest[k], a)
        t = reached.rfind(1, 0, t)
    return np.frombuffer(reached, np.bool_)
