"""Carries one order out: read, call, stage, seal. Runs in a worker or in the coordinator.

Knows nothing of plans, of other orders, or of the metastore; it never touches what is published.
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
from partflow.errors import ReadError, ResultError
from partflow.execution.attempt.assignment import Work, union_of
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
from partflow.execution.stamps import is_as_seen
from partflow.formats.connections import Relations
from partflow.formats.fingerprint import file_digest
from partflow.formats.known import object_format_of
from partflow.partitions.keytexts import shown_key
from partflow.partitions.sets import Partition
from partflow.process.surroundings import own_process_only, put_back
from partflow.store.protocol import Store
from partflow.warehouse.handover import HandOver
from partflow.warehouse.reading import keys_of, partition_column, read_partitions

if TYPE_CHECKING:
    import polars as pl

FOOTER = "partflow"
"""The key under which a Parquet footer carries the lineage."""


def perform(order: Order, graph: Graph, store: Store, frames: HandOver) -> tuple[Outcome, ...]:
    """Carry an order out: an outcome for each attempt. What goes wrong is in it, not raised."""
    return call(order, graph, store, frames).stored()


def call(order: Order, graph: Graph, store: Store, frames: HandOver) -> Called:
    """Read, call, and check what was returned: all of an order that runs the user's code.

    A batch whose call fails is told so as a whole: which partition is at fault is not known.
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
    """The paths of all that an order reads."""
    return {
        str(path)
        for i, one in enumerate(work.task.inputs)
        for path in work.store.read(
            one.read.dataset, keys_of(one.read.dataset, union_of(work.order.attempts, i))
        ).paths
    }


def _carried_out(work: Work, relations: Relations) -> list[Sequence[Output | Unwritten] | Failure]:
    """For each attempt what stores its outputs, or why it failed. Nothing lazy is left in it."""
    attempts = work.order.attempts
    try:
        if work.task.is_effect:  # which may move files itself
            _require_as_seen(work)
        results = _parts(work, _called(work, relations))
    except refusals() as error:  # the user's function may raise anything
        failure = failure_of(error, work)
        if len(attempts) > 1 and not isinstance(error, ResultError):
            failure = replace(failure, is_shared=True)
        return [failure for _ in attempts]
    pairs = zip(attempts, results, strict=True)
    parts = [_prepared(work, attempt, part) for attempt, part in pairs]
    if work.task.is_effect:
        return parts
    return [_moved(work, a) or p for a, p in zip(attempts, parts, strict=True)]


class _Meter:
    """Measures what a call costs this process."""

    def __init__(self) -> None:
        self._at = time.time()  # noqa: TID251 - only shown
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def cost(self, attempts: int) -> Cost:
        """The cost of each of the attempts of the call, in equal parts."""
        return Cost(
            self._at,
            (time.perf_counter() - self._wall) / attempts,
            (time.process_time() - self._cpu) / attempts,
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        )


def _called(work: Work, relations: Relations) -> object:
    """What the user's function returns for the partitions of an order."""
    attempts, task = work.order.attempts, work.task
    arguments = {
        one.parameter: read_partitions(
            work.store, one.read.dataset, union_of(attempts, i), one.kind, work.frames, relations
        )
        for i, one in enumerate(task.inputs)
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
    """The places of the results in the order in which they are taken.

    To compute a lazy one runs the user's code, which may change what else was returned.
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
    """What stores the outputs of one attempt; what is too large for memory is streamed at once.

    Whatever was taken before a lazy one is computed is secured.
    """
    found: dict[int, Output | Unwritten] = {}
    has_lazy = len(results) > 1 and any(is_lazy(one) for one in results)
    try:
        for i in _lazy_last(results):
            prepared = _output(work, attempt, i, results[i])
            found[i] = secured(prepared) if has_lazy else prepared
    except refusals() as error:  # a lazy frame runs the user's code here
        return refused(work, attempt, error)
    return [found[i] for i in range(len(results))]


def _require_as_seen(work: Work) -> None:
    """Raise ReadError if a source's file that is to be read changed since the look at it."""
    for attempt in work.order.attempts:
        error = _changed(work, attempt)
        if error is not None:
            raise error


def _moved(work: Work, attempt: Attempt) -> Failure | None:
    """What is said of an attempt that has read such a file."""
    error = _changed(work, attempt)
    if error is None:
        return None
    return replace(refused(work, attempt, error), place="", is_final=True)


def _changed(work: Work, attempt: Attempt) -> ReadError | None:
    for one, ordinals, stamp in zip(work.task.inputs, attempt.reads, attempt.stamps, strict=False):
        dataset = one.read.dataset
        if stamp is None or is_as_seen(work.store, dataset, ordinals, stamp):
            continue
        keys = [dataset.grain.shown(o) for o in sorted({ordinals[0], ordinals[-1]})]
        return ReadError(
            f"{dataset.name} {' .. '.join(sorted({keys[0], keys[-1]}))}",
            "a file was changed since this run looked at it",
            "run again: nothing was made of it",
        )
    return None


def _each_output(task: Task, result: object, key: str) -> list[object]:
    """One result for each dataset written: itself, or out of a tuple or mapping."""
    first = task.writes[0].name
    if task.write_names is not None:
        if not isinstance(result, Mapping) or set(result) != set(task.write_names):
            found = sorted(result) if isinstance(result, Mapping) else type(result).__name__
            raise ResultError(
                first,
                key,
                f"the task returned {found}",
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
    """What stages and seals one output."""
    import polars as pl

    dataset, staged = work.task.writes[position], work.staged(attempt, position)
    key = attempt.lineage.key
    if dataset.stored_as.is_table:
        target = _target(work, dataset, (attempt.ordinal,), shown_key(key))
        frame = normalise(result, target)
        metadata = {FOOTER: attempt.lineage.to_json()}
        if isinstance(frame, pl.LazyFrame):
            return streamed_to(work, attempt, dataset, frame, staged, metadata)
        is_ours = len(work.order.attempts) > 1  # split from a copy
        return Unwritten(work, attempt, dataset, frame, staged, metadata, is_ours)
    if result is None:
        raise ResultError(
            dataset.name, shown_key(key), "the task returned None", "return the object"
        )
    form = object_format_of(dataset)
    form.write(result, staged)
    form.read(staged)  # what cannot be read back must not be published
    sha256, nbytes = file_digest(staged)
    content = form.fingerprint(staged)
    name = work.name_of(attempt, position)
    work.store.seal(name)
    return Output(dataset.name, key, name, content, 1, nbytes, sha256)
