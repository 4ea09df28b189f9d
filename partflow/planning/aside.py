"""Says what the plan of what runs by itself leaves aside: the paused, the held, and the busy.

Knows nothing of what becomes of their readers, or of runs and leases: what these touch comes in as
a footprint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.graph import outputs
from partflow.partitions.sets import PartitionSet
from partflow.planning.upstream import Ranges, counts

if TYPE_CHECKING:
    from partflow.partitions.calendar import Grain
    from partflow.planning.footprint import Footprint
    from partflow.planning.needs import Considered, Look
    from partflow.planning.plan import Mask


@dataclass(frozen=True, slots=True)
class LeftAside:
    """Which of a task's partitions are left aside, and why: a mask each.

    `paused` are those of a task that somebody paused, `held` those that failed and are not to be
    tried yet. `busy` are those that runs under way make or read, or that read what these make.
    """

    paused: Mask
    held: Mask
    busy: Mask


def aside_of(
    look: Look, considered: Considered, span: tuple[int, int], busy: Footprint
) -> LeftAside:
    """What is left aside of a task's partitions in `span`; nothing, of what is asked for by hand.

    `busy` is what runs under way touch.
    """
    task, (lo, end) = considered.task, span
    paused, held, touched = (np.zeros(end - lo, np.bool_) for _ in range(3))
    automatic = look.request.automatic
    if automatic is None:
        return LeftAside(paused, held, touched)
    paused[:] = any(node in look.snapshot.paused for node in outputs(task))
    if task.name in automatic.held:
        held = automatic.held[task.name].mask(lo, end)
    if automatic.busy:
        touched = _touched(considered, span, busy)
    return LeftAside(paused, held & ~paused, touched)


def _touched(considered: Considered, span: tuple[int, int], busy: Footprint) -> Mask:
    """Which of the partitions cannot be made beside the runs that touch `busy`.

    They make or read it, or they make something that it reads: as `Footprint.meeting` has it.
    """
    task, nothing = considered.task, PartitionSet()
    mask = np.full(span[1] - span[0], busy.is_everything)
    if busy.is_everything or not len(mask):
        return mask
    for node in outputs(task):
        for spans in (busy.makes.get(node, nothing), busy.reads.get(node, nothing)):
            mask |= _met(task.grain, span, spans)
    for task_input, ranges in zip(task.inputs, considered.reads, strict=True):
        dataset = task_input.read.dataset
        if dataset.name in busy.makes:
            mask |= _reading(ranges, dataset.grain, busy.makes[dataset.name])
    return mask


def _reading(ranges: Ranges, grain: Grain, spans: PartitionSet) -> Mask:
    """Which ranges of a dataset hold a partition that the spans meet."""
    lo, hi = int(ranges.a[0]), max(int(ranges.a[0]), int(ranges.b[-1]))
    hits = ranges.hits(counts(_met(grain, (lo, hi), spans)), lo)
    assert hits is not None, "BUG: counts of a mask are sums"
    return hits


def _met(grain: Grain, span: tuple[int, int], spans: PartitionSet) -> Mask:
    """Which ordinals of a span have an interval that meets one of the spans of epoch seconds."""
    if not spans or span[0] >= span[1]:
        return np.zeros(max(0, span[1] - span[0]), np.bool_)
    edges, ends = grain.edges(*span), np.array(spans.ranges, np.int64)
    begun = np.searchsorted(ends[:, 0], edges[1:], side="left")
    over = np.searchsorted(ends[:, 1], edges[:-1], side="right")
    return np.asarray(begun > over)
