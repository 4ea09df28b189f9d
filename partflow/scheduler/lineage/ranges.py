"""Gathers what a run made into ranges of neighbouring partitions, by task: a pure function.

Knows nothing of OpenLineage. The graph is the document that the run had; where that is missing, or
is none that this partflow knows, only the tasks' names and keys are said.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from partflow.errors import PartflowError
from partflow.metastore.record import Record, RunRow, StepLog
from partflow.partitions.described import grain_described
from partflow.partitions.grain import Grain

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_ENDS = {"made": True, "failed": False}
"""The states of a step of which there are events: whether it was made."""
_SAID = 2000


@dataclass(frozen=True, slots=True)
class RangeOutput:
    """What a range holds of one dataset; `version` is a digest of its contents.

    None if it is not known, since another run has made some of it again.
    """

    dataset: str
    version: str | None
    rows: int | None
    nbytes: int | None


@dataclass(frozen=True, slots=True)
class MadeRange:
    """Neighbouring partitions of one task that one run made, or that all failed.

    `id` and `run` are UUIDs, equal whenever they are made of the same run. `at` is when the last
    step ended; `start` and `end` are those of the range's data interval; all are in epoch seconds.
    The interval is None if it is not known, or for what is not cut by time. `failure` is what the
    first step failed with, None if they were made.
    """

    id: str
    run: str
    command: str
    task: str
    at: float
    first: str
    last: str
    partitions: int
    start: int | None
    end: int | None
    failure: str | None
    reads: tuple[str, ...]
    outputs: tuple[RangeOutput, ...]


@dataclass(frozen=True, slots=True)
class _Declared:
    """What the graph's document says of a task."""

    grain: Grain | None = None
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


def written_in(document: Any, steps: Sequence[StepLog]) -> list[tuple[str, str]]:
    """The (dataset, key) of all that steps made, as far as the document tells."""
    tasks = _tasks(document)
    return [
        (name, step.key)
        for step in _last_attempts(steps)
        if _ENDS[step.state]
        for name in tasks.get(step.task, _Declared()).writes
    ]


def ranges_of(
    row: RunRow,
    steps: Sequence[StepLog],
    document: Any,
    current: Mapping[tuple[str, str], Record],
) -> tuple[MadeRange, ...]:
    """The ranges of a run that has ended, by task, in order of time.

    `current` is what is current of each (dataset, key) of `written_in`.
    """
    tasks = _tasks(document)
    ranges: list[MadeRange] = []
    ended = sorted(_last_attempts(steps), key=lambda step: (step.task, step.state))
    for (task, _), group in groupby(ended, key=lambda step: (step.task, step.state)):
        declared = tasks.get(task, _Declared())
        for lo, hi, neighbours in _neighbours(declared.grain, list(group)):
            ranges.append(_range(row, declared, (lo, hi), neighbours, current))
    return tuple(ranges)


def _last_attempts(steps: Sequence[StepLog]) -> list[StepLog]:
    """The last attempt at each partition, if it was made or failed."""
    last = {(step.task, step.key): step for step in steps}
    return [step for step in last.values() if step.state in _ENDS]


def _neighbours(
    grain: Grain | None, steps: list[StepLog]
) -> Iterator[tuple[int | None, int | None, list[StepLog]]]:
    """Runs of neighbours with their first and last ordinal; all as one if nobody knows those."""
    ordinals: list[int] | None = None
    if grain is not None:
        try:
            ordinals = grain.ordinals([step.key for step in steps]).tolist()
        except (PartflowError, ValueError):
            ordinals = None
    if ordinals is None:
        yield None, None, sorted(steps, key=lambda step: step.key)
        return
    ordered = sorted(zip(ordinals, steps, strict=True), key=lambda pair: pair[0])
    for _, group in groupby(enumerate(ordered), key=lambda each: each[1][0] - each[0]):
        pairs = [pair for _, pair in group]
        yield pairs[0][0], pairs[-1][0], [step for _, step in pairs]


def _range(
    row: RunRow,
    declared: _Declared,
    ordinals: tuple[int | None, int | None],
    steps: list[StepLog],
    current: Mapping[tuple[str, str], Record],
) -> MadeRange:
    first, last = steps[0], steps[-1]
    lo, hi = ordinals
    start = end = None
    grain = declared.grain
    if grain is not None and grain.column_type is not None and lo is not None and hi is not None:
        start, end = (int(moment) for moment in grain.edges(lo, hi + 1)[[0, -1]])
    run = uuid.uuid5(uuid.NAMESPACE_OID, f"partflow run {row.id}")
    was_made = _ENDS[first.state]
    named = f"{row.id} {first.task} {first.state} {first.key}"
    return MadeRange(
        id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"partflow range {named}")),
        run=str(run),
        command=row.command,
        task=first.task,
        at=max(step.began_at + step.seconds for step in steps) or row.started_at,
        first=first.key,
        last=last.key,
        partitions=len(steps),
        start=start,
        end=end,
        failure=None if was_made else (first.message or "")[:_SAID],
        reads=declared.reads,
        outputs=tuple(_output(row.id, name, steps, current) for name in declared.writes)
        if was_made
        else tuple(RangeOutput(name, None, None, None) for name in declared.writes),
    )


def _output(
    run: str, name: str, steps: list[StepLog], current: Mapping[tuple[str, str], Record]
) -> RangeOutput:
    records = [current.get((name, step.key)) for step in steps]
    known = [r for r in records if r is not None and r.run == run and r.content is not None]
    if len(known) != len(steps):
        return RangeOutput(name, None, None, None)
    contents = [record.content or "" for record in known]
    version = contents[0]
    if len(contents) > 1:
        version = hashlib.sha256("\n".join(contents).encode()).hexdigest()[:32]
    return RangeOutput(name, version, sum(r.rows for r in known), sum(r.nbytes for r in known))


def _tasks(document: Any) -> dict[str, _Declared]:
    """What a document says of its tasks, by name; nothing if it is none."""
    try:
        return {str(task["name"]): _declared(task) for task in document["tasks"]}
    except (KeyError, TypeError, ValueError):
        return {}


def _declared(task: Any) -> _Declared:
    reads = [_NAME.match(str(read["mapping"])) for read in task["reads"]]
    is_effect = task["kind"] == "effect"
    return _Declared(
        grain_described(str(task["grain"])),
        tuple(dict.fromkeys(match[0] for match in reads if match)),
        () if is_effect else tuple(str(name) for name in task["writes"]),
    )
