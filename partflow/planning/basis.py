"""What the steps of a plan rest on: the states of partitions that they make or read, as digests.

Knows nothing of documents or of why anything is planned. One digest over a dataset's partitions
decides whether anything changed; a short mark for each partition only serves to name it.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from partflow.declarations.graph import Graph, outputs
from partflow.partitions.sets import PartitionSet
from partflow.planning.plan import Action, Plan
from partflow.planning.snapshot import DatasetState, Snapshot, state_over

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.partitions.calendar import Grain
    from partflow.planning.plan import Bounds

_ODD = np.uint64(0x9FB21C651E98DF25)


@dataclass(frozen=True, slots=True)
class Basis:
    """The partitions of one node that the steps of `task` make, or, without one, that are read.

    `width` is how many inputs' digests count. `marks` has 32 bits for each partition.
    """

    node: str
    task: str | None
    grain: str
    ranges: PartitionSet
    width: int
    digest: str
    marks: bytes

    @staticmethod
    def parsed(document: Mapping[str, Any]) -> Basis:
        """What `encoded` wrote; KeyError, TypeError or ValueError if it did not."""
        ranges = PartitionSet.of((int(lo), int(hi)) for lo, hi in document["ranges"])
        marks = b64decode(document["marks"], validate=True)
        if len(marks) != 4 * len(ranges):
            raise ValueError(f"{len(marks)} bytes of marks for {len(ranges)} partitions")
        return Basis(
            document["node"],
            document["task"],
            document["grain"],
            ranges,
            int(document["width"]),
            document["digest"],
            marks,
        )


def encoded(basis: Basis) -> dict[str, Any]:
    """A basis as JSON."""
    return {
        "node": basis.node,
        "task": basis.task,
        "grain": basis.grain,
        "ranges": [list(r) for r in basis.ranges.ranges],
        "width": basis.width,
        "digest": basis.digest,
        "marks": b64encode(basis.marks).decode(),
    }


def bases_of(plan: Plan) -> tuple[Basis, ...]:
    """What all steps of a plan rest on: what each task makes, then what any of them read."""
    made: list[Basis] = []
    read: dict[str, PartitionSet] = {}
    for planned in plan.tasks.values():
        chosen = planned.action != Action.NONE
        steps = PartitionSet.where(chosen, planned.lo)
        if not steps:
            continue
        task, width = planned.task, len(planned.task.inputs)
        made += [_basis(plan, n, task.grain, steps, (task.name, width)) for n in outputs(task)]
        for one, (a, b) in zip(task.inputs, planned.bounds, strict=True):
            name = one.read.dataset.name
            read[name] = read.get(name, PartitionSet()) | _covered((a[chosen], b[chosen]))
    grains = {n: d.grain for n, d in plan.graph.datasets.items()}
    return (
        *made,
        *(_basis(plan, n, grains[n], s, (None, 0)) for n, s in read.items() if s),
    )


def _covered(bounds: Bounds) -> PartitionSet:
    """The union of ranges `[a, b)` of which neither end ever decreases."""
    kept = bounds[0] < bounds[1]
    a, b = bounds[0][kept], bounds[1][kept]
    if not len(a):
        return PartitionSet()
    firsts = np.flatnonzero(np.concatenate(([True], a[1:] > b[:-1])))
    lasts = np.concatenate((firsts[1:] - 1, [len(b) - 1]))
    return PartitionSet(tuple(zip(a[firsts].tolist(), b[lasts].tolist(), strict=True)))


def _basis(
    plan: Plan, node: str, grain: Grain, ranges: PartitionSet, use: tuple[str | None, int]
) -> Basis:
    task, width = use
    columns = _columns(grain, plan.snapshot.states[node], ranges, use)
    return Basis(
        node, task, repr(grain.signature), ranges, width, _digest(columns), _marks(columns)
    )


def _columns(
    grain: Grain, state: DatasetState, ranges: PartitionSet, use: tuple[str | None, int]
) -> NDArray[np.uint64]:
    """A row of numbers for each partition: what is read of it is its start and its content.

    What a step makes has more: what it was made from, and when. If somebody made it since, even
    with equal content, the plan was overtaken.
    """
    task, width = use
    lo, hi = ranges.ranges[0][0], ranges.ranges[-1][1]
    at = ranges.mask(lo, hi)
    cut = state_over(state, lo, hi)
    found = [grain.edges(lo, hi)[:-1][at], cut.condition[at], *cut.content[at].T]
    if task is not None:
        found += [*cut.code[at].T, cut.reads[at], cut.made_at[at], cut.pinned[at]]
        found += list(cut.inputs[at][:, :width].reshape(len(found[0]), -1).T)
    return np.stack([c.astype(np.int64).view(np.uint64) for c in found], axis=1)


def _digest(columns: NDArray[np.uint64]) -> str:
    """A digest of all rows; their number and width stand before them."""
    found = blake2b(b"partflow basis 1 %d %d\n" % columns.shape, digest_size=16)
    found.update(np.ascontiguousarray(columns.astype("<u8")).data)
    return found.hexdigest()


def _marks(columns: NDArray[np.uint64]) -> bytes:
    """32 bits for each row, that differ for other rows in all but one case of 4 billion."""
    found = np.zeros(len(columns), np.uint64)
    for column in columns.T:
        found = (found ^ column) * _ODD
        found ^= found >> np.uint64(29)
    return (found >> np.uint64(32)).astype("<u4").tobytes()


def changed_in(basis: Basis, graph: Graph, snapshot: Snapshot) -> list[str] | None:
    """The keys of the partitions that are no longer as they were; None if the grain is another."""
    node = basis.node
    grain = graph.datasets[node].grain if node in graph.datasets else graph.task(node).grain
    if repr(grain.signature) != basis.grain:
        return None
    use = (basis.task, basis.width)
    columns = _columns(grain, snapshot.states[node], basis.ranges, use)
    if _digest(columns) == basis.digest:
        return []
    differs = np.frombuffer(_marks(columns), "<u4") != np.frombuffer(basis.marks, "<u4")
    ordinals = np.fromiter(basis.ranges, np.int64, len(basis.ranges))
    return [grain.shown(int(o)) for o in ordinals[differs if differs.any() else slice(None)]]
