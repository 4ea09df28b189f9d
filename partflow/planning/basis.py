"""What the steps of a plan rest on: the states of partitions that they make or read, as digests.

Knows nothing of documents or of why anything is planned. One digest over a dataset's partitions
decides whether anything changed; the mark of each partition only serves to name those that did.
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

_ODD = np.uint64(0x9FB21C651E98DF25)
"""An odd factor: modulo 2**64 it takes different numbers to different ones."""


@dataclass(frozen=True, slots=True)
class Basis:
    """The partitions of one node that the steps of `task` make, or that steps read if it is None.

    `grain` is the text of its signature. `width` is how many inputs have digests that count.
    `digest` is over all partitions; `marks` has 32 bits for each of them.
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
        """The basis that `encoded` wrote; KeyError, TypeError or ValueError for anything else."""
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
    bases: list[Basis] = []
    read: dict[str, PartitionSet] = {}
    for planned in plan.tasks.values():
        chosen = planned.action != Action.NONE
        steps = PartitionSet.where(chosen, planned.lo)
        if not steps:
            continue
        task, width = planned.task, len(planned.task.inputs)
        bases += [_basis(plan, n, task.grain, steps, (task.name, width)) for n in outputs(task)]
        for task_input, (a, b) in zip(task.inputs, planned.bounds, strict=True):
            name = task_input.read.dataset.name
            ranges = PartitionSet.joined(a[chosen], b[chosen])
            read[name] = read.get(name, PartitionSet()) | ranges
    grains = {n: d.grain for n, d in plan.graph.datasets.items()}
    return (
        *bases,
        *(_basis(plan, n, grains[n], s, (None, 0)) for n, s in read.items() if s),
    )


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
    """A row of numbers for each partition: its start, its condition and its content.

    Rows of what a step makes have more: by which code it was made, when, and from which inputs. If
    somebody has made it since, even with equal content, the plan has been overtaken.
    """
    task, width = use
    lo, hi = ranges.ranges[0][0], ranges.ranges[-1][1]
    mask = ranges.mask(lo, hi)
    cut = state_over(state, lo, hi)
    columns = [grain.edges(lo, hi)[:-1][mask], cut.condition[mask], *cut.content[mask].T]
    if task is not None:
        columns += [*cut.code[mask].T, cut.reads[mask], cut.made_at[mask], cut.pinned[mask]]
        columns += list(cut.inputs[mask][:, :width].reshape(len(columns[0]), -1).T)
    return np.stack([c.astype(np.int64).view(np.uint64) for c in columns], axis=1)


def _digest(columns: NDArray[np.uint64]) -> str:
    """A digest of all rows; their number and width stand before them."""
    digest = blake2b(b"partflow basis 1 %d %d\n" % columns.shape, digest_size=16)
    digest.update(np.ascontiguousarray(columns.astype("<u8")).data)
    return digest.hexdigest()


def _marks(columns: NDArray[np.uint64]) -> bytes:
    """32 bits for each row; of two different rows they are equal in one case of 4 billion."""
    mixed = np.zeros(len(columns), np.uint64)
    for column in columns.T:
        mixed = (mixed ^ column) * _ODD
        mixed ^= mixed >> np.uint64(29)
    return (mixed >> np.uint64(32)).astype("<u4").tobytes()


def changed_in(basis: Basis, graph: Graph, snapshot: Snapshot) -> list[str] | None:
    """The keys of the partitions that are no longer as they were; None if the grain is another.

    They are the keys of all of them if the digest differs and no mark does.
    """
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
