"""Reads for which a part of their range is enough: `.within` and `.at_least`.

Knows nothing of why a partition is not there. What is read of such a range follows from which of
its partitions have a content, and from nothing else: so planning finds the same digest again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.mapping import Form
from partflow.partitions.calendar import Whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.declarations.dataset import Read
    from partflow.declarations.task import Task
    from partflow.planning.plan import Bounds, Mask


def from_newest(bounds: Bounds, known: Mask, lo: int) -> Bounds:
    """The ranges, each from the newest of its partitions on that has a content.

    `known` says of the ordinals from `lo` on which have one. What comes after the newest has none,
    so that the digest of the range is that of the newest. A range without any stays as it is. If
    neither end of the ranges ever decreases, neither does one of the result.
    """
    a, b = bounds
    if not len(known):
        return a, b
    newest = np.maximum.accumulate(np.where(known, np.arange(len(known)), -1))
    at = np.clip(b - 1 - lo, -1, len(known) - 1)
    chosen = np.where(at < 0, -1, newest[at]) + lo
    return np.where((chosen >= a) & (chosen >= lo), chosen, a), b


def enough(read: Read, task: Task, lo: int, bounds: Bounds, now: int) -> NDArray[np.int64]:
    """How many partitions of each range have to be there, for a task's partitions from `lo` on.

    While the others are still waited for, that is all of them.
    """
    a, b = bounds
    if read.form is Form.WITHIN:
        return np.ones(len(a), np.int64)
    least: NDArray[np.int64] = np.minimum(b - a, read.least or 0)
    if not read.wait or isinstance(task.grain, Whole):
        return least
    is_over = waited_until(read, task, lo, lo + len(a)) <= now
    return np.asarray(np.where(is_over, least, b - a))


def waited_until(read: Read, task: Task, lo: int, hi: int) -> NDArray[np.int64]:
    """Until when each of a task's partitions `[lo, hi)` waits for all that it reads.

    That is the read's `wait` after the partition is due, in epoch seconds.
    """
    due = task.grain.edges(lo, hi)[1:] + int(task.options.lag.total_seconds())
    return np.asarray(due + int(read.wait.total_seconds()))
