"""Carries one order out: read, call, stage, seal. Runs in a worker or in the coordinator.

Knows nothing of plans, of other orders, or of the metastore; it never touches what is published.
"""

from __future__ import annotations

import functools
import resource
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from partflow.content import equal_within, file_digest
from partflow.dataset import Dataset
from partflow.errors import PartflowError, ReadError, ResultError
from partflow.execution.inputs import keys_of, partition_column, read_partitions, with_column
from partflow.execution.orders import Attempt, Cost, Failure, Order, Outcome, Output
from partflow.formats import Parquet, confirm, format_of, validate
from partflow.frames import explain, stage_frame
from partflow.graph import Graph
from partflow.handover import SMALL, HandOver
from partflow.models import Skops
from partflow.partition import Partition
from partflow.results import Target, normalise, split
from partflow.store import Store
from partflow.tasks import Task

if TYPE_CHECKING:
    import polars as pl

FOOTER = "partflow"
"""The key under which a Parquet footer carries the lineage."""


Prepared = Output | Callable[[], Output]
"""An output that is stored already, or what stores it: none of the user's code is left in that."""


def perform(order: Order, graph: Graph, store: Store, frames: HandOver) -> tuple[Outcome, ...]:
    """Carry an order out: an outcome for each attempt. What goes wrong is in it, not raised."""
    return call(order, graph, store, frames).stored()


def call(order: Order, graph: Graph, store: Store, frames: HandOver) -> Called:
    """Read, call, and check what was returned: all of an order that runs the user's code.

    A batch whose call fails is told so as a whole: which partition is at fault is not known.
    """
    meter, work = _Meter(), _Work(order, graph, graph.task(order.task), store, frames)
    parts: list[Sequence[Prepared] | Failure]
    try:
        results = _parts(work, _called(work))
    except Exception as error:  # noqa: BLE001 - the user's function may raise anything
        failure = _failure(error, work)
        if len(order.attempts) > 1 and not isinstance(error, ResultError):
            failure = replace(failure, is_shared=True)
        parts = [failure for _ in order.attempts]
    else:
        pairs = zip(order.attempts, results, strict=True)
        parts = [_prepared(work, attempt, part) for attempt, part in pairs]
    return Called(order, parts, meter.cost(len(parts)), work)


@dataclass(slots=True)
class Called:
    """A call that has returned: for each attempt what stores its outputs, or why it failed.

    `cost` is that of each attempt so far, in equal parts.
    """

    order: Order
    parts: list[Sequence[Prepared] | Failure]
    cost: Cost
    work: _Work | None = None
    has_log: bool = False

    @property
    def has_failed(self) -> bool:
        """Whether any attempt failed."""
        return any(isinstance(part, Failure) for part in self.parts)

    def stored(self, *, is_beside: bool = False) -> tuple[Outcome, ...]:
        """Store the outputs of all attempts, staged and sealed.

        `is_beside` the next call, whose cost of the processor then has this in it already.
        """
        pairs = zip(self.order.attempts, self.parts, strict=True)
        return tuple(self._outcome(attempt, part, is_beside=is_beside) for attempt, part in pairs)

    def _outcome(
        self, attempt: Attempt, part: Sequence[Prepared] | Failure, *, is_beside: bool
    ) -> Outcome:
        wall, cpu = time.perf_counter(), time.thread_time()
        found = part if isinstance(part, Failure) else self._outputs(attempt, part)
        cost = replace(
            self.cost,
            seconds=self.cost.seconds + time.perf_counter() - wall,
            cpu=self.cost.cpu + (0.0 if is_beside else time.thread_time() - cpu),
        )
        if isinstance(found, Failure):
            return Outcome(attempt.serial, (), found, cost, self.has_log)
        return Outcome(attempt.serial, found, None, cost, self.has_log)

    def _outputs(self, attempt: Attempt, part: Sequence[Prepared]) -> tuple[Output, ...] | Failure:
        work = self.work
        assert work is not None, "BUG: there is nothing to store of what was not carried out"
        try:
            return tuple(one if isinstance(one, Output) else one() for one in part)
        except Exception as error:  # noqa: BLE001 - the disk, or polars, may refuse it
            return _refused(work, attempt, error)


@dataclass(frozen=True, slots=True)
class _Work:
    """An order with all that carrying it out takes."""

    order: Order
    graph: Graph
    task: Task
    store: Store
    frames: HandOver

    @property
    def is_small(self) -> bool:
        """Whether each of its partitions reads little; one that reads nothing may make anything."""
        return all(0 < attempt.nbytes <= SMALL for attempt in self.order.attempts)

    def is_read(self, dataset: Dataset) -> bool:
        """Whether any task reads a dataset, so that its frames are worth keeping."""
        return next(iter(self.graph.readers(dataset.name)), None) is not None

    def staged(self, attempt: Attempt, position: int) -> Path:
        """Where an output of an attempt is staged."""
        return self.store.staging(self.order.run) / f"{attempt.serial}-{position}.tmp"


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


def _called(work: _Work) -> object:
    """What the user's function returns for the partitions of an order."""
    attempts, task = work.order.attempts, work.task
    arguments = {
        one.parameter: read_partitions(
            work.store, one.read.dataset, _union(attempts, i), one.kind, work.frames
        )
        for i, one in enumerate(task.inputs)
    }
    if task.partition_parameter is not None:
        first, last = attempts[0].ordinal, attempts[-1].ordinal
        arguments[task.partition_parameter] = Partition.spanning(task.grain, first, last)
    return task.function(**arguments)


def _union(attempts: Sequence[Attempt], position: int) -> Sequence[int]:
    """The ordinals that any of the attempts reads at that position, in order."""
    if len(attempts) == 1:
        return attempts[0].reads[position]
    return sorted(set().union(*(a.reads[position] for a in attempts)))


def _parts(work: _Work, result: object) -> list[list[object]]:
    """For each attempt one result for each dataset written; none for an effect."""
    attempts, task = work.order.attempts, work.task
    if task.is_effect:
        return [[] for _ in attempts]
    keys = [task.grain.key(o) for o in sorted({attempts[0].ordinal, attempts[-1].ordinal})]
    results = _each_output(task, result, "..".join(keys))
    if len(attempts) == 1:
        return [results]
    ordinals = [a.ordinal for a in attempts]
    whole = [_target(work, d, ordinals, "..".join(keys)) for d in task.writes]
    frames = [split(one, target) for one, target in zip(results, whole, strict=True)]
    return [list(part) for part in zip(*frames, strict=True)]


def _target(work: _Work, dataset: Dataset, ordinals: Sequence[int], key: str) -> Target:
    column = partition_column(dataset, ordinals)
    return Target(dataset.name, key, dataset.schema, dataset.order, column, work.is_small)


def _prepared(
    work: _Work, attempt: Attempt, results: Sequence[object]
) -> Sequence[Prepared] | Failure:
    """What stores the outputs of one attempt; what is too large for memory is streamed at once."""
    try:
        return [_output(work, attempt, i, one) for i, one in enumerate(results)]
    except Exception as error:  # noqa: BLE001 - a lazy frame runs the user's code here
        return _refused(work, attempt, error)


def _refused(work: _Work, attempt: Attempt, error: Exception) -> Failure:
    """Why an attempt could not be stored; nothing of it stays staged."""
    for i in range(len(work.task.writes)):
        with suppress(OSError):
            work.staged(attempt, i).unlink()
    return _failure(error, work)


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


def _output(work: _Work, attempt: Attempt, position: int, result: object) -> Prepared:
    """What stages and seals one output."""
    dataset, staged = work.task.writes[position], work.staged(attempt, position)
    key = attempt.lineage.key
    if dataset.format == "parquet":
        target = _target(work, dataset, (attempt.ordinal,), key)
        frame = normalise(result, target)
        sealed = functools.partial(_table, work, attempt, dataset, frame, staged)
        return sealed() if hasattr(frame, "collect") else sealed
    form = format_of(dataset)
    if result is None:
        raise ResultError(dataset.name, key, "the task returned None", "return the object")
    assert isinstance(form, Skops)
    form.stage(result, staged, {})
    form.read(staged)  # what cannot be read back must not be published
    sha256, nbytes = file_digest(staged)
    content = form.fingerprint(staged)
    work.store.seal(staged)
    return Output(dataset.name, key, str(staged), content, 1, nbytes, sha256)


def _table(
    work: _Work,
    attempt: Attempt,
    dataset: Dataset,
    frame: pl.DataFrame | pl.LazyFrame,
    staged: Path,
) -> Output:
    """Stage and seal a frame; one that is in memory is kept for those that read it next."""
    key = attempt.lineage.key
    metadata = {FOOTER: attempt.lineage.to_json()}
    made = stage_frame(frame, staged, metadata, ordered=bool(dataset.order))
    if made.frame is None:
        validate(staged, frame.collect_schema().names(), made.rows)
    else:
        confirm(staged, made.frame, made.sha256)
    close = False
    present = work.store.path(dataset, key)
    if dataset.float_tolerance and dataset.name in attempt.present:
        close = _is_close(dataset, staged, present)
    identity = work.store.seal(staged)
    if made.frame is not None and work.is_read(dataset):
        column = partition_column(dataset, (attempt.ordinal,))
        read = made.frame if column is None else with_column(made.frame, column)
        work.frames.keep(present, identity, read)
    return Output(
        dataset.name, key, str(staged), made.content, made.rows, identity[0], made.sha256, close
    )


def _is_close(dataset: Dataset, staged: Path, present: Path) -> bool:
    """Whether the staged frame equals the present one within the dataset's tolerance."""
    form = Parquet(bool(dataset.order), dataset.schema)
    try:
        old = form.read(present)
    except ReadError:
        return False
    return equal_within(
        form.read(staged), old, dataset.float_tolerance, ordered=bool(dataset.order)
    )


def _file_behind(error: Exception, work: _Work) -> ReadError | None:
    """The input file that makes a lazy read fail: polars raises late, and does not name it."""
    if not type(error).__module__.startswith("polars"):
        return None
    for i, one in enumerate(work.task.inputs):
        dataset = one.read.dataset
        if dataset.format == "skops":
            continue
        keys = keys_of(dataset, _union(work.order.attempts, i))
        paths = [work.store.path(dataset, key) for key in keys]
        found = explain(paths, dataset.format, dataset.schema)
        if found is not None:
            return found
    return None


def _failure(raised: Exception, work: _Work) -> Failure:
    """The message and the user's own line; partflow's frames before it are left out."""
    error, task, root = _file_behind(raised, work) or raised, work.task, work.store.root
    frames = traceback.extract_tb(error.__traceback__)
    users = [f for f in frames if not Path(f.filename).resolve().is_relative_to(_OWN)]
    lines = [f for f in frames if _is_below(f.filename, root)]
    code = getattr(_innermost(task.function), "__code__", None)
    if lines:
        place = f"{_relative(lines[-1].filename, root)}:{lines[-1].lineno}"
    elif code is not None:
        place = f"{_relative(code.co_filename, root)}:{code.co_firstlineno}"
    else:
        place = task.place
    known = isinstance(error, PartflowError)
    message = str(error) if known else f"{type(error).__name__}: {error}"
    if isinstance(error, ResultError) and len(task.writes) == 1:
        message = f"{error.problem}; {error.advice}"  # whose it is stands before it
    message = message.replace(f"{root}/", "")  # nothing recorded holds a path of this machine
    trace = "" if known or not lines else _trace(error, users)
    return Failure(message.strip(), place, trace, isinstance(error, ResultError))


def _innermost(function: Callable[..., object]) -> object:
    found: object = function
    while hasattr(found, "__wrapped__") or hasattr(found, "func"):
        found = getattr(found, "__wrapped__", None) or getattr(found, "func", None)
    return found


def _is_below(filename: str, root: Path) -> bool:
    path = Path(filename)
    outside = {"site-packages", "dist-packages"} & set(path.parts)
    return (
        path.is_absolute()
        and path.is_relative_to(root)
        and not outside
        and (not path.is_relative_to(Path(sys.prefix)) and not path.is_relative_to(_OWN))
    )


_OWN = Path(__file__).resolve().parents[1]


def _relative(filename: str, root: Path) -> str:
    path = Path(filename)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.name


def _trace(error: Exception, frames: Sequence[traceback.FrameSummary]) -> str:
    """The traceback as Python prints it, from the user's first frame on."""
    lines = traceback.format_list(list(frames))
    return "".join(
        [
            "Traceback (most recent call last):\n",
            *lines,
            *traceback.format_exception_only(type(error), error),
        ]
    )
