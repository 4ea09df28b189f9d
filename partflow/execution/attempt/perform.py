"""Carries one order out: read, call, stage, seal. It runs in a worker or in the run's own process.

Knows nothing of plans, of other orders, or of the metastore. It never touches what is published.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from partflow.declarations.dataset import Dataset
from partflow.declarations.graph import Graph
from partflow.declarations.task import Task
from partflow.errors import ResultError
from partflow.execution.attempt.assignment import Work
from partflow.execution.attempt.failures import failure_of, refused
from partflow.execution.attempt.results import Target, is_lazy, normalise, split
from partflow.execution.attempt.sealing import (
    Called,
    Unwritten,
    refusals,
    secured,
    streamed_to,
)
from partflow.execution.attempt.witness import watched
from partflow.execution.orders import Attempt, Cost, Failure, Order, Outcome, Output
from partflow.formats.connections import Relations
from partflow.formats.fingerprint import file_digest
from partflow.formats.known import written_format_of
from partflow.partitions.keytexts import shown_key
from partflow.partitions.sets import Partition
from partflow.process.surroundings import own_process_only, put_back
from partflow.store.protocol import Store
from partflow.warehouse.handover import HandOver
from partflow.warehouse.reading import (
    Wanted,
    error_of_moved,
    keys_of,
    partition_column,
    read_partitions,
)

if TYPE_CHECKING:
    import polars as pl

FOOTER = "partflow"
"""The key under which a Parquet footer carries the lineage."""


def perform(order: Order, graph: Graph, store: Store, frames: HandOver) -> tuple[Outcome, ...]:
    """Carry an order out; returns an outcome for each attempt.

    Whatever the task or the disk raises becomes an outcome's failure.
    """
    return call(order, graph, store, frames).stored()


def call(order: Order, graph: Graph, store: Store, frames: HandOver) -> Called:
    """Read the inputs, call the task, and check what it returned: all that runs the user's code.

    If the call of a batch fails, all its attempts fail, since it is not known which is at fault.
    Nothing that the task raises is raised here.
    """
    meter, work = _Meter(), Work(order, graph, graph.task(order.task), store, frames)
    with (
        Relations(work.task.zone) as relations,
        watched(store.layout.root, store.layout.warehouse, store.layout.private) as watch,
    ):
        parts = _carried_out(work, relations)
    seen = watch.seen(lambda: _inputs(work))
    return Called(order, tuple(parts), meter.cost(len(parts)), seen=seen)


def _inputs(work: Work) -> set[str]:
    """The paths of all input files of an order."""
    return {
        place
        for i, task_input in enumerate(work.task.inputs)
        for place in Wanted(task_input.read.dataset, work.wanted(i).ordinals)
        .fetched(work.store)
        .places
    }


def _carried_out(work: Work, relations: Relations) -> list[Sequence[Output | Unwritten] | Failure]:
    """For each attempt its outputs, stored or not, or its failure; nothing lazy is left."""
    attempts = work.order.attempts
    try:
        results = _parts(work, _called(work, relations))
    except refusals() as error:  # The user's function may raise anything.
        failure = failure_of(error, work)
        if len(attempts) > 1 and not isinstance(error, ResultError):
            failure = replace(failure, is_shared=True, is_final=False)
        return [failure for _ in attempts]
    pairs = zip(attempts, results, strict=True)
    parts = [_prepared(work, attempt, part) for attempt, part in pairs]
    if work.task.is_effect:  # An effect may move the files itself.
        return parts
    return _without_moved(work, parts)


class _Meter:
    """Measures what a call costs in this process, from when it is made."""

    def __init__(self) -> None:
        self._at = time.time()  # noqa: TID251 - only shown
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def cost(self, attempts: int) -> Cost:
        """The cost of each attempt of the call; all have an equal part."""
        return Cost(
            self._at,
            (time.perf_counter() - self._wall) / attempts,
            (time.process_time() - self._cpu) / attempts,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )


def _called(work: Work, relations: Relations) -> object:
    """Read the inputs and call the user's function; returns what it returns."""
    attempts, task = work.order.attempts, work.task
    arguments = {
        task_input.parameter: read_partitions(
            work.store, work.wanted(i), task_input.kind, work.frames, relations
        )
        for i, task_input in enumerate(task.inputs)
    }
    if task.partition_parameter is not None:
        first, last = attempts[0].ordinal, attempts[-1].ordinal
        arguments[task.partition_parameter] = Partition.spanning(task.grain, first, last)
    with own_process_only(), put_back():
        return task.function(**arguments)


def _parts(work: Work, result: object) -> list[list[object]]:
    """For each attempt one result for each dataset written; none for an effect."""
    attempts, task = work.order.attempts, work.task
    if task.is_effect:
        return [[] for _ in attempts]
    keys = [task.grain.shown(o) for o in sorted({attempts[0].ordinal, attempts[-1].ordinal})]
    results = _each_output(task, result, "..".join(keys))
    if len(attempts) == 1:
        return [results]
    ordinals = [a.ordinal for a in attempts]
    whole = [_target(work, d, ordinals, "..".join(keys)) for d in task.writes]
    del result
    frames: dict[int, list[pl.DataFrame]] = {}
    for i in _lazy_last(results):
        frames[i] = split(results[i], whole[i])
        results[i] = None
    return [list(part) for part in zip(*(frames[i] for i in range(len(results))), strict=True)]


def _lazy_last(results: Sequence[object]) -> list[int]:
    """The positions of the results, lazy ones last.

    Computing a lazy result runs the user's code, which may change the other results.
    """
    return sorted(range(len(results)), key=lambda i: is_lazy(results[i]))


def _target(work: Work, dataset: Dataset, ordinals: Sequence[int], key: str) -> Target:
    column = partition_column(dataset, ordinals)
    return Target(
        dataset.name, key, dataset.schema, dataset.order, column, work.is_small, work.task.zone
    )


def _prepared(
    work: Work, attempt: Attempt, results: Sequence[object]
) -> Sequence[Output | Unwritten] | Failure:
    """The outputs of one attempt, or its failure; frames too large for memory are stored now.

    If one of several results is lazy, those before it are copied or stored before it is computed.
    """
    outputs: dict[int, Output | Unwritten] = {}
    has_lazy = len(results) > 1 and any(is_lazy(result) for result in results)
    try:
        for i in _lazy_last(results):
            prepared = _output(work, attempt, i, results[i])
            outputs[i] = secured(prepared) if has_lazy else prepared
    except refusals() as error:  # A lazy frame runs the user's code here.
        return refused(work, attempt, error)
    return [outputs[i] for i in range(len(results))]


def _without_moved(
    work: Work, parts: list[Sequence[Output | Unwritten] | Failure]
) -> list[Sequence[Output | Unwritten] | Failure]:
    """The same, but a failure for each attempt that read a file which was replaced meanwhile."""
    attempts = work.order.attempts
    try:
        moved_by_read = [work.wanted(i).moved(work.store) for i in range(len(work.task.inputs))]
    except OSError as error:  # The store does not answer, so nobody knows what was read.
        return [refused(work, attempt, error) for attempt in attempts]
    if not any(moved_by_read):
        return parts
    pairs = zip(attempts, parts, strict=True)
    return [_refusal(work, attempt, moved_by_read) or part for attempt, part in pairs]


def _refusal(
    work: Work, attempt: Attempt, moved_by_read: Sequence[Sequence[str]]
) -> Failure | None:
    """The failure of an attempt that read one of the keys that moved; None if it read none."""
    for i, (task_input, gone) in enumerate(zip(work.task.inputs, moved_by_read, strict=True)):
        dataset = task_input.read.dataset
        keys = [key for key in keys_of(dataset, attempt.reads[i]) if key in gone]
        if keys:
            return refused(work, attempt, error_of_moved(dataset, keys))
    return None


def _each_output(task: Task, result: object, key: str) -> list[object]:
    """One result for each dataset written, taken out of a tuple or mapping if there are several.

    ResultError if it is no such tuple or mapping.
    """
    first = task.writes[0].name
    if task.write_names is not None:
        if not isinstance(result, Mapping) or set(result) != set(task.write_names):
            returned = sorted(result) if isinstance(result, Mapping) else type(result).__name__
            raise ResultError(
                first,
                key,
                f"the task returned {returned}",
                f"return a mapping with the keys {sorted(task.write_names)}",
            )
        return [result[n] for n in task.write_names]
    if len(task.writes) == 1:
        return [result]
    if not isinstance(result, tuple | list) or len(result) != len(task.writes):
        names = ", ".join(d.name for d in task.writes)
        raise ResultError(
            first,
            key,
            f"the task returned a {type(result).__name__}",
            f"return a tuple of {len(task.writes)}: {names}",
        )
    return list(result)


def _output(work: Work, attempt: Attempt, position: int, result: object) -> Output | Unwritten:
    """One output: a frame yet to be stored, or a file that is staged and sealed.

    ResultError if the result is not what is declared.
    """
    import polars as pl

    dataset, staged = work.task.writes[position], work.staged(attempt, position)
    key = attempt.lineage.key
    if dataset.stored_as.is_table:
        target = _target(work, dataset, (attempt.ordinal,), shown_key(key))
        frame = normalise(result, target)
        metadata = {FOOTER: attempt.lineage.to_json()}
        if isinstance(frame, pl.LazyFrame):
            return streamed_to(work, attempt, dataset, frame, staged, metadata)
        is_ours = len(work.order.attempts) > 1  # Split from a copy.
        return Unwritten(work, attempt, dataset, frame, staged, metadata, is_ours)
    if result is None:
        raise ResultError(
            dataset.name, shown_key(key), "the task returned None", "return the object"
        )
    form = written_format_of(dataset)
    form.write(result, staged)
    form.read(staged)  # A file that cannot be read back must not be published.
    sha256, nbytes = file_digest(staged)
    content = form.fingerprint(staged)
    name = work.name_of(attempt, position)
    work.store.seal(name)
    return Output(dataset.name, key, name, content, 1, nbytes, sha256)
