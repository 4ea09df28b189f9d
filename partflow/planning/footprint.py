"""What a run touches: the spans of time that it makes and reads of each node. Pure.

Runs that touch nothing of one another's go on side by side. Spans are of epoch seconds, not of
ordinals: the next run may have another grain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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


@dataclass(frozen=True, slots=True)
class Meeting:
    """The first span, in epoch seconds, at which two runs meet, and of which node."""

    node: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Footprint:
    """The spans `[start, end)` that are made and read, by node, as sets of epoch seconds.

    What touches `everything` meets whatever else there is.
    """

    makes: Mapping[str, PartitionSet] = field(default_factory=dict)
    reads: Mapping[str, PartitionSet] = field(default_factory=dict)
    is_everything: bool = False

    def meeting(self, other: Footprint) -> Meeting | None:
        """Where one makes what the other makes or reads; None if they can go on side by side.

        With everything there is no place to name: the node is then empty.
        """
        if self.is_everything or other.is_everything:
            return Meeting("", 0, 0)
        for one, two in ((self.makes, other.makes), (self.makes, other.reads),
                         (self.reads, other.makes)):  # fmt: skip
            for node in sorted(one.keys() & two.keys()):
                both = one[node] & two[node]
                if both:
                    return Meeting(node, both.ranges[0][0], both.ranges[-1][1])
        return None

    def holds(self, other: Footprint) -> bool:
        """Whether whatever the other makes and reads is made, and made or read, here."""
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
        """Whether a node's partition that begins at that second is made."""
        return self.is_everything or second in self.makes.get(node, PartitionSet())

    def to_json(self) -> dict[str, Any]:
        """As it is written down."""
        if self.is_everything:
            return {_ALL: True}
        return {
            "makes": {node: spans.ranges for node, spans in self.makes.items()},
            "reads": {node: spans.ranges for node, spans in self.reads.items()},
        }

    @staticmethod
    def from_json(found: Mapping[str, Any]) -> Footprint:
        """From what `to_json` gave."""
        if found.get(_ALL):
            return EVERYTHING
        return Footprint(_spans(found["makes"]), _spans(found["reads"]))


EVERYTHING = Footprint(is_everything=True)


def footprint_of_steps(found: Plan) -> Footprint:
    """What a run touches that carries the plan out."""
    return _footprint(found, lambda planned: np.asarray(planned.action != Action.NONE), makes=True)


def footprint_of_request(found: Plan, *, makes: bool) -> Footprint:
    """What is touched by making, or else by reading, all that the plan's request names."""
    return _footprint(found, lambda planned: wanted_mask(found.request, planned), makes=makes)


def _footprint(
    found: Plan, chosen: Callable[[TaskPlan], NDArray[np.bool_]], *, makes: bool
) -> Footprint:
    made: dict[str, PartitionSet] = {}
    read: dict[str, PartitionSet] = {}
    for planned in found.tasks.values():
        mask = chosen(planned)
        if not mask.any():
            continue
        task = planned.task
        spans = _seconds(task.grain, PartitionSet.where(mask, planned.lo))
        for node in outputs(task):
            into = made if makes else read
            into[node] = into.get(node, PartitionSet()) | spans
        for one, (a, b) in zip(task.inputs, planned.bounds, strict=True):
            dataset = one.read.dataset
            if found.graph.writers(dataset.name):
                spans = _seconds(dataset.grain, _union(a[mask], b[mask]))
                read[dataset.name] = read.get(dataset.name, PartitionSet()) | spans
    return Footprint(made, read)


def _union(a: NDArray[np.int64], b: NDArray[np.int64]) -> PartitionSet:
    """The union of ranges `[a, b)` of which neither end ever decreases."""
    some = a < b
    a, b = a[some], b[some]
    if not len(a):
        return PartitionSet()
    first = np.concatenate(([True], a[1:] > b[:-1]))
    last = np.concatenate((first[1:], [True]))
    return PartitionSet(tuple(zip(a[first].tolist(), b[last].tolist(), strict=True)))


def _seconds(grain: Grain, ordinals: PartitionSet) -> PartitionSet:
    """When ranges of ordinals begin and end, in epoch seconds."""
    if not ordinals:
        return PartitionSet()
    ends = np.array(ordinals.ranges, np.int64)
    lo = int(ends[0, 0])
    edges = grain.edges(lo, int(ends[-1, 1]))
    return PartitionSet.of(edges[ends - lo].tolist())


def _spans(found: Mapping[str, Any]) -> dict[str, PartitionSet]:
    spans = {str(n): [(a, b) for a, b in s] for n, s in found.items()}
    if not all(type(edge) is int for each in spans.values() for pair in each for edge in pair):
        raise ValueError("these are no spans of seconds")
    return {n: PartitionSet.of(each) for n, each in spans.items()}
