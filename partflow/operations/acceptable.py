"""Says what can be accepted: that new code makes the same, or that a file changed by hand stays.

Knows nothing of how an acceptance is recorded or shown. It reads a plan, and writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.graph import outputs
from partflow.declarations.task import Task
from partflow.errors import ReadError, ResultError
from partflow.execution.attempt.results import Target, normalise
from partflow.formats.parquet import Parquet
from partflow.formats.unreadable import reading
from partflow.metastore.record import Record
from partflow.partitions.sets import PartitionSet
from partflow.planning.digests import lanes
from partflow.planning.planner import Plan, Reason, Request, TaskPlan, wanted_mask
from partflow.planning.planner import plan as plan_of
from partflow.planning.reasons import describe
from partflow.planning.snapshot import state_over
from partflow.store.protocol import Store, file_of
from partflow.warehouse.filelook import Observed
from partflow.warehouse.reading import partition_column

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]


class Treatment(Enum):
    """What accepting does with a partition."""

    CODE = "accept"
    """Its record gets the present code, because that makes the same."""
    HAND = "pin"
    """The file that somebody changed is recorded, and stays until a backfill."""
    DONE = "done"
    """An effect that was cut off is recorded as done with what it reads now."""
    ABSENT = "absent"
    """A source's: it is recorded that it does not come."""
    LESS = "take"
    """A source's: what is left of its files is taken for all of them."""
    LEFT = "leave"
    """It is left as it is: it is not fresh for a reason that nobody can vouch for."""


@dataclass(frozen=True, slots=True)
class Portion:
    """Partitions of one task that are accepted or left for one reason, given in words.

    Not `is_comparable` are those that stay although what they were made from has changed: made
    again they would be something else, by any code.
    """

    task: Task
    kind: Treatment
    text: str
    at: PartitionSet
    is_comparable: bool = True

    @property
    def ranges(self) -> tuple[tuple[str, str], ...]:
        """The first and last key of each range of neighbours."""
        key = self.task.grain.key
        return tuple((key(lo), key(hi - 1)) for lo, hi in self.at.ranges)


@dataclass(frozen=True, slots=True)
class SourcePortion:
    """Partitions of one source that are accepted or left for one reason, given in words."""

    source: Source
    kind: Treatment
    text: str
    at: PartitionSet

    @property
    def ranges(self) -> tuple[tuple[str, str], ...]:
        """The first and last key of each range of neighbours."""
        key = self.source.grain.key
        return tuple((key(lo), key(hi - 1)) for lo, hi in self.at.ranges)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What can be accepted of a plan, its sources apart.

    `hands` are files changed by hand, by (dataset, key).
    """

    plan: Plan
    groups: tuple[Portion, ...]
    hands: Mapping[tuple[str, str], Record]
    of_sources: tuple[SourcePortion, ...] = ()

    def count(self, kind: Treatment) -> int:
        """How many partitions of a kind there are."""
        of_tasks = sum(len(group.at) for group in self.groups if group.kind is kind)
        return of_tasks + sum(len(each.at) for each in self.of_sources if each.kind is kind)


def acceptable(plan: Plan, seen: Observed, store: Store) -> Acceptance:
    """What of a plan's request can be accepted, and what has to be left, with the reasons.

    `seen` is the look that the plan was made from. Files changed by hand are read.
    """
    supposed = _as_if_by_this_code(plan)
    groups: list[Portion] = []
    hands: dict[tuple[str, str], Record] = {}
    for name, planned in plan.tasks.items():
        wanted = wanted_mask(plan.request, planned)
        if planned.task.is_effect:
            groups += _perhaps_done(planned, wanted)
            continue
        hand = wanted & (planned.reason == Reason.CHANGED_OUTSIDE)
        coded = wanted & ~hand & np.isin(planned.need, (Reason.CODE, Reason.RECKONED))
        for reason in (Reason.CODE, Reason.RECKONED):
            here = coded & (planned.need == reason)
            groups += _by_code(plan, planned, supposed.tasks[name], (reason, here))
        groups += _by_hand(planned, hand, seen, store, hands)
        left = wanted & ~hand & ~coded & (planned.need != Reason.NONE)
        for at in _parted(planned, left):
            i = at.ranges[0][0] - planned.lo
            text = _said(planned, int(planned.reason[i]), int(planned.cause[i]))
            groups.append(Portion(planned.task, Treatment.LEFT, text, at))
    return Acceptance(plan, tuple(groups), hands)


def _perhaps_done(planned: TaskPlan, wanted: Mask) -> list[Portion]:
    """The group of an effect's partitions in which a run was cut off, if there is any."""
    at = PartitionSet.where(wanted & (planned.reason == Reason.PERHAPS_DONE), planned.lo)
    text = _said(planned, Reason.PERHAPS_DONE, -1)
    return [Portion(planned.task, Treatment.DONE, text, at)] if at else []


def _as_if_by_this_code(plan: Plan) -> Plan:
    """The plan as it would be if the present code had made everything.

    What is not fresh in it is not fresh for another reason than its code.
    """
    states = dict(plan.snapshot.states)
    for name, planned in plan.tasks.items():
        present = np.array(lanes(plan.snapshot.codes[name]), np.uint64)
        for node in outputs(planned.task):
            state = states[node]
            here = slice(max(planned.lo - state.lo, 0), max(planned.hi - state.lo, 0))
            code = state.code.copy()
            code[here] = present
            states[node] = replace(state, code=code)
    return plan_of(plan.graph, replace(plan.snapshot, states=states), Request())


def _by_code(
    plan: Plan, planned: TaskPlan, supposed: TaskPlan, coded: tuple[Reason, Mask]
) -> list[Portion]:
    """Groups of partitions that other code or rules made; acceptable if nothing else is wrong."""
    reason, here = coded
    task, text = planned.task, _said(planned, reason, -1)
    own = [state_over(plan.snapshot.states[n], planned.lo, planned.hi) for n in outputs(task)]
    # If the task's reads have changed, nobody can tell whether an input has.
    has_same_reads = np.logical_and.reduce([s.reads == len(task.inputs) for s in own])
    sound, is_moved = here & (supposed.need == Reason.NONE), supposed.moved > 0
    unmoved, moved = (
        PartitionSet.where(sound & has_same_reads & mask, planned.lo)
        for mask in (~is_moved, is_moved)
    )
    groups = [
        Portion(task, Treatment.CODE, text, unmoved),
        Portion(
            task, Treatment.CODE, f"{text}, and what it was made from", moved, is_comparable=False
        ),
        Portion(
            task,
            Treatment.LEFT,
            f"{text}, and it reads other datasets than it was made from",
            PartitionSet.where(sound & ~has_same_reads, planned.lo),
        ),
    ]
    shown = replace(planned, reason=supposed.need, cause=supposed.cause)
    for at in _parted(shown, here & ~sound):
        i = at.ranges[0][0] - planned.lo
        more = _said(planned, int(supposed.need[i]), int(supposed.cause[i]))
        groups.append(Portion(task, Treatment.LEFT, f"{text}, and {more}", at))
    return [g for g in groups if g.at]


def _by_hand(
    planned: TaskPlan,
    hand: Mask,
    seen: Observed,
    store: Store,
    hands: dict[tuple[str, str], Record],
) -> list[Portion]:
    """Groups of partitions changed by hand; kept if their files can be read as declared.

    The records to keep are added to `hands`.
    """
    spans_by_text: dict[tuple[Treatment, str], list[tuple[int, int]]] = {}
    for i in np.flatnonzero(hand).tolist():
        ordinal = planned.lo + i
        key = planned.task.grain.key(ordinal)
        records, kind, text = {}, Treatment.HAND, _said(planned, Reason.CHANGED_OUTSIDE, -1)
        for dataset in planned.task.writes:
            record = seen.hands.get((dataset.name, key))
            if record is None:
                continue
            try:
                rows = _rows(dataset, ordinal, file_of(store, dataset, key))
                records[dataset.name, key] = replace(record, rows=rows)
            except (ResultError, ReadError) as error:
                kind, text = Treatment.LEFT, f"{text}, and {error.problem}; {error.advice}"
        if kind is Treatment.HAND:
            hands |= records
        spans_by_text.setdefault((kind, text), []).append((ordinal, ordinal + 1))
    return [
        Portion(planned.task, kind, text, PartitionSet.of(spans))
        for (kind, text), spans in spans_by_text.items()
    ]


def _rows(dataset: Dataset, ordinal: int, path: Path) -> int:
    """The number of rows in a file changed by hand.

    ResultError if it does not hold what its dataset declares, ReadError if it cannot be read.
    """
    if not dataset.stored_as.is_table:
        return 1
    import polars as pl

    key = dataset.grain.key(ordinal)
    frame = pl.scan_parquet(path, hive_partitioning=False, glob=False)
    with reading(path):
        if dataset.column is not None and dataset.column in frame.collect_schema():
            raise ResultError(
                dataset.name,
                key,
                f"it holds the column {dataset.column!r}, which stands in the path",
                "write it without that column",
            )
        column = partition_column(dataset, (ordinal,))
        target = Target(dataset.name, key, dataset.schema, dataset.order, column)
        normalise(frame, target)
    return Parquet(bool(dataset.order), dataset.schema, own=True).read(path).height


def _parted(planned: TaskPlan, among: Mask) -> list[PartitionSet]:
    """The partitions `among` marks, one set for each pair of reason and cause."""
    pairs = np.stack([planned.reason.astype(np.int64), planned.cause.astype(np.int64)], axis=1)
    return [
        PartitionSet.where(among & (pairs == row).all(axis=1), planned.lo)
        for row in np.unique(pairs[among], axis=0)
    ]


def _said(planned: TaskPlan, reason: int, cause: int) -> str:
    dataset = None if cause < 0 else planned.task.inputs[cause].read.dataset
    return describe(planned, Reason(reason), dataset)
