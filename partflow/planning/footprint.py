"""What a run touches: the spans of time that it makes and that it reads of each node.

Knows nothing of runs or leases. Two runs may go on side by side if neither makes what the other
makes or reads. Spans are of epoch seconds and not of ordinals, since another run may have other
grains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from partflow.declarations.graph import outputs
from partflow.partitions.sets import PartitionSet
from partflow.planning.plan import Action, Plan, TaskPlan, wanted_mask

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from partflow.partitions.calendar import Grain

_ALL = "everything"
"""The name in JSON for a footprint that touches everything."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """The first span, in epoch seconds, at which two runs meet, and of which node."""

    node: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Footprint:
    """The spans of time that are made and read, by node, as sets of epoch seconds.

    If `is_everything`, it meets every other footprint.
    """

    makes: Mapping[str, PartitionSet] = field(default_factory=dict)
    reads: Mapping[str, PartitionSet] = field(default_factory=dict)
    is_everything: bool = False

    def meeting(self, other: Footprint) -> Meeting | None:
        """Where one makes what the other makes or reads; None if they can go on side by side.

        If one of them touches everything there is no place to name, and the node is "".
        """
        if self.is_everything or other.is_everything:
            return Meeting("", 0, 0)
        for mine, its in ((self.makes, other.makes), (self.makes, other.reads),
                          (self.reads, other.makes)):  # fmt: skip
            for node in sorted(mine.keys() & its.keys()):
                both = mine[node] & its[node]
                if both:
                    return Meeting(node, both.ranges[0][0], both.ranges[-1][1])
        return None

    def holds(self, other: Footprint) -> bool:
        """Whether this makes all that the other makes, and makes or reads all that it reads."""
        if self.is_everything or other.is_everything:
            return self.is_everything
        nothing = PartitionSet()
        touched = {n: self.reads.get(n, nothing) | self.makes.get(n, nothing) for n in other.reads}
        return not any(
            [
                *(spans - self.makes.get(node, nothing) for node, spans in other.makes.items()),
                *(spans - touched[node] for node, spans in other.reads.items()),
            ]
        )

    def makes_at(self, node: str, second: int) -> bool:
        """Whether the partition of a node that begins at that epoch second is made."""
        return self.is_everything or second in self.makes.get(node, PartitionSet())

    def to_json(self) -> dict[str, Any]:
        """The footprint as a JSON object."""
        if self.is_everything:
            return {_ALL: True}
        return {
            "makes": {node: spans.ranges for node, spans in self.makes.items()},
            "reads": {node: spans.ranges for node, spans in self.reads.items()},
        }

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Footprint:
        """The footprint that `to_json` wrote.

        KeyError, TypeError, ValueError or AttributeError for anything else.
        """
        if document.get(_ALL):
            return EVERYTHING
        return Footprint(_spans(document["makes"]), _spans(document["reads"]))


EVERYTHING = Footprint(is_everything=True)
"""The footprint of what may touch anything."""


def together(footprints: Iterable[Footprint]) -> Footprint:
    """What several runs touch together."""
    makes: dict[str, PartitionSet] = {}
    reads: dict[str, PartitionSet] = {}
    for footprint in footprints:
        if footprint.is_everything:
            return EVERYTHING
        for into, spans in ((makes, footprint.makes), (reads, footprint.reads)):
            for node, those in spans.items():
                into[node] = into.get(node, PartitionSet()) | those
    return Footprint(makes, reads)


def footprint_of_steps(plan: Plan) -> Footprint:
    """What a run touches that carries the plan out."""
    return _footprint(plan, lambda planned: np.asarray(planned.action != Action.NONE), makes=True)


def footprint_of_request(plan: Plan, *, makes: bool) -> Footprint:
    """What is touched by making, or else by reading, all that the plan's request names."""
    return _footprint(plan, lambda planned: wanted_mask(plan.request, planned), makes=makes)


def _footprint(
    plan: Plan, chosen: Callable[[TaskPlan], NDArray[np.bool_]], *, makes: bool
) -> Footprint:
    made: dict[str, PartitionSet] = {}
    read: dict[str, PartitionSet] = {}
    for planned in plan.tasks.values():
        mask = chosen(planned)
        if not mask.any():
            continue
        task = planned.task
        spans = _seconds(task.grain, PartitionSet.where(mask, planned.lo))
        for node in outputs(task):
            into = made if makes else read
            into[node] = into.get(node, PartitionSet()) | spans
        for task_input, (a, b) in zip(task.inputs, planned.bounds, strict=True):
            dataset = task_input.read.dataset
            if plan.graph.writers(dataset.name):
                spans = _seconds(dataset.grain, PartitionSet.joined(a[mask], b[mask]))
                read[dataset.name] = read.get(dataset.name, PartitionSet()) | spans
    return Footprint(made, read)


def _seconds(grain: Grain, ordinals: PartitionSet) -> PartitionSet:
    """The spans of epoch seconds that ordinals cover."""
    if not ordinals:
        return PartitionSet()
    ends = np.array(ordinals.ranges, np.int64)
    lo = int(ends[0, 0])
    edges = grain.edges(lo, int(ends[-1, 1]))
    return PartitionSet.of(edges[ends - lo].tolist())


def _spans(document: Mapping[str, Any]) -> dict[str, PartitionSet]:
    spans = {str(n): [(a, b) for a, b in s] for n, s in document.items()}
    if not all(type(edge) is int for each in spans.values() for pair in each for edge in pair):
        raise ValueError("these are no spans of seconds")
    return {n: PartitionSet.of(each) for n, each in spans.items()}
