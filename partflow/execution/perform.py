"""Carries one step out: read, call, stage, seal. Runs in a worker or in the coordinator.

Knows nothing of plans, of other steps, or of the metastore; it never touches what is published.
"""

from __future__ import annotations

import copy
import functools
import json
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from partflow.content import equal_within
from partflow.dataset import Dataset
from partflow.errors import PartflowError, ReadError, ResultError
from partflow.formats import Parquet, format_of, validate
from partflow.frames import (
    PartitionColumn,
    explain,
    read_frames,
    read_objects,
    stage_frame,
)
from partflow.graph import Graph
from partflow.models import Skops
from partflow.parameters import ParameterKind
from partflow.partition import Partition
from partflow.record import FileIdentity
from partflow.results import Target, normalise
from partflow.store import Store, identity
from partflow.tasks import Task

FOOTER = "partflow"
"""The key under which a Parquet footer carries the lineage."""


@dataclass(frozen=True, slots=True)
class InputRead:
    """What was read of one dataset: the digest of its range in hex, over so many partitions."""

    dataset: str
    digest: str
    partitions: int


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a partition is made from, as its footer carries it; moments in epoch seconds."""

    task: str
    key: str
    start: int
    end: int
    code: str
    run: str
    read_seq: int
    inputs: tuple[InputRead, ...]

    def to_json(self) -> str:
        """The text in the footer; `layout` numbers its form."""
        return json.dumps({"layout": 1, **asdict(self)}, sort_keys=True)


@dataclass(frozen=True, slots=True)
class Order:
    """One attempt at one step, as it is sent to a worker.

    `reads` holds for each read the upstream ordinals; `lineage` is what the footer is to carry.
    `present` names the outputs whose present file a float tolerance may keep.
    """

    run: str
    serial: int
    task: str
    ordinal: int
    attempt: int
    reads: tuple[tuple[int, ...], ...]
    lineage: Lineage
    present: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Output:
    """One sealed file, not yet published; `is_close` if it equals the present one in tolerance."""

    dataset: str
    key: str
    staged: str
    content: str
    rows: int
    nbytes: int
    sha256: str
    is_close: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed: the message, the user's own line, the traceback from there on."""

    message: str
    place: str = ""
    trace: str = ""
    is_final: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order; `outputs` in the order of the task's writes."""

    order: Order
    outputs: tuple[Output, ...] = ()
    failure: Failure | None = None
    seconds: float = 0.0


def perform(order: Order, graph: Graph, store: Store) -> Outcome:
    """Carry an order out; whatever goes wrong is in the outcome, not raised."""
    began = time.perf_counter()
    task = graph.task(order.task)
    staging = store.staging(order.run)
    try:
        outputs = _made(order, task, store, staging)
    except Exception as error:  # noqa: BLE001 - the user's function may raise anything
        _discard(staging, order)
        cause = _file_behind(error, order, task, store) or error
        return Outcome(order, (), _failure(cause, task, store.root), time.perf_counter() - began)
    return Outcome(order, outputs, None, time.perf_counter() - began)


def _made(order: Order, task: Task, store: Store, staging: Path) -> tuple[Output, ...]:
    arguments = {
        one.parameter: read_partitions(store, one.read.dataset, ordinals, one.kind)
        for one, ordinals in zip(task.inputs, order.reads, strict=True)
    }
    if task.partition_parameter is not None:
        arguments[task.partition_parameter] = Partition.of(task.grain, order.ordinal)
    result = task.function(**arguments)
    if task.is_effect:
        return ()
    results = _each_output(task, result, task.grain.key(order.ordinal))
    return tuple(
        _stored(order, dataset, one, store, staging / f"{order.serial}-{i}.tmp")
        for i, (dataset, one) in enumerate(zip(task.writes, results, strict=True))
    )


def read_partitions(
    store: Store, dataset: Dataset, ordinals: Sequence[int], kind: ParameterKind
) -> object:
    """What a parameter of that kind gets for partitions of a dataset, in order."""
    keys = _keys(dataset, ordinals)
    paths = [store.path(dataset, key) for key in keys]
    if dataset.format == "skops":
        return paths if kind is ParameterKind.PATHS else read_objects(paths, _Remembered(dataset))
    if not paths and kind is not ParameterKind.PATHS and dataset.schema is None:
        raise ReadError(
            dataset.name,
            "nothing of it is there to be read, and no schema says which columns it would have",
            f"declare one: Dataset({dataset.name!r}, ..., schema={{...}})",
        )
    for path in paths:
        if not path.exists():
            raise ReadError(str(path), "the file is gone", "run again: it is looked at anew")
    return read_frames(
        paths, partition_column(dataset, ordinals), dataset.format, dataset.schema, kind
    )


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A dataset's format that remembers the last few objects of this process.

    A week of forecasts reads one model: taking it apart again costs more than forecasting. What is
    handed out is a copy, so that a task that changes its model changes nobody else's.
    """

    dataset: Dataset

    name = "skops"
    extension = "skops"

    def read(self, path: Path) -> object:
        """The object in the file, as reading it anew would give it."""
        return copy.deepcopy(_object_in(path, identity(path), self.dataset.trusted))

    def fingerprint(self, path: Path) -> str:
        """As the format's own."""
        return format_of(self.dataset).fingerprint(path)


@functools.lru_cache(maxsize=4)
def _object_in(path: Path, _: FileIdentity | None, trusted: tuple[str, ...]) -> object:
    return Skops(trusted).read(path)


def partition_column(dataset: Dataset, ordinals: Sequence[int]) -> PartitionColumn | None:
    """The partition column of a dataset with the values of these partitions."""
    if dataset.column is None:
        return None
    if not ordinals:
        zone = None if dataset.grain.column_type == "date" else "naive"
        return PartitionColumn(dataset.column, (), zone)
    low = min(ordinals)
    values = dataset.grain.column_values(low, max(ordinals) + 1)
    return PartitionColumn(dataset.column, tuple(values[o - low] for o in ordinals))


def _keys(dataset: Dataset, ordinals: Sequence[int]) -> list[str]:
    if not ordinals:
        return []
    low = min(ordinals)
    keys = dataset.grain.keys(low, max(ordinals) + 1)
    return [keys[o - low] for o in ordinals]


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


def _stored(order: Order, dataset: Dataset, result: object, store: Store, staged: Path) -> Output:
    """Stage and seal one output."""
    key = dataset.grain.key(order.ordinal)
    if dataset.format == "parquet":
        rows, content, close = _stage_table(order, dataset, result, store, staged)
    else:
        form = format_of(dataset)
        if result is None:
            raise ResultError(dataset.name, key, "the task returned None", "return the object")
        assert isinstance(form, Skops)
        form.stage(result, staged, {})
        form.read(staged)  # what cannot be read back must not be published
        rows, content, close = 1, form.fingerprint(staged), False
    sha256, nbytes = store.seal(staged)
    return Output(dataset.name, key, str(staged), content, rows, nbytes, sha256, close)


def _stage_table(
    order: Order, dataset: Dataset, result: object, store: Store, staged: Path
) -> tuple[int, str, bool]:
    target = Target(
        dataset.name,
        dataset.grain.key(order.ordinal),
        dataset.schema,
        dataset.order,
        partition_column(dataset, (order.ordinal,)),
    )
    frame = normalise(result, target)
    metadata = {FOOTER: order.lineage.to_json()}
    made = stage_frame(frame, staged, metadata, ordered=bool(dataset.order))
    validate(staged, frame.collect_schema().names(), made.rows)
    close = False
    if dataset.float_tolerance and dataset.name in order.present:
        close = _is_close(dataset, staged, store.path(dataset, target.key))
    return made.rows, made.content, close


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


def _file_behind(error: Exception, order: Order, task: Task, store: Store) -> ReadError | None:
    """The input file that makes a lazy read fail: polars raises late, and does not name it."""
    if not type(error).__module__.startswith("polars"):
        return None
    for one, ordinals in zip(task.inputs, order.reads, strict=True):
        dataset = one.read.dataset
        if dataset.format == "skops":
            continue
        paths = [store.path(dataset, key) for key in _keys(dataset, ordinals)]
        found = explain(paths, dataset.format, dataset.schema)
        if found is not None:
            return found
    return None


def _discard(staging: Path, order: Order) -> None:
    for path in staging.glob(f"{order.serial}-*.tmp"):
        with suppress(OSError):
            path.unlink()


def _failure(error: Exception, task: Task, root: Path) -> Failure:
    """The message and the user's own line; partflow's frames before it are left out."""
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
