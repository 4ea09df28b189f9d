"""Stores what calls have returned: encodes small frames together, then stages and seals each.

Knows nothing of the user's code, which has run before. It never touches what is published.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from partflow.declarations.dataset import Dataset
from partflow.errors import ReadError
from partflow.execution.attempt.assignment import Work
from partflow.execution.attempt.failures import refused
from partflow.execution.orders import Attempt, Cost, Failure, Order, Outcome, Output
from partflow.formats.copies import Packed, pack
from partflow.formats.fingerprint import equal_within
from partflow.formats.format import Contents
from partflow.formats.frames import encode_frames, stage_frame
from partflow.formats.known import way_of
from partflow.formats.parquet import Parquet, confirm, validate
from partflow.metastore.record import Seen
from partflow.store.layout import staged_name
from partflow.store.protocol import file_of
from partflow.warehouse.handover import AsRead

if TYPE_CHECKING:
    import polars as pl

TOGETHER = 32 * 2**20
"""Frames of up to this many bytes together are encoded in one query."""

COPIED = 64 * 2**20
"""A frame of up to this many bytes is copied before the next call; a larger one is stored."""

_Taken = TypeVar("_Taken")


@dataclass(frozen=True, slots=True)
class Called:
    """A call that has returned: for each attempt its outputs, stored or not, or its failure.

    `cost` is what each attempt has cost so far; all have an equal part. The frames may be in memory
    of the user's code, which may change them in its next call. So `secured` or `stored` has to be
    called before that.
    """

    order: Order
    parts: tuple[Sequence[Output | Unwritten] | Failure, ...]
    cost: Cost
    has_log: bool = False
    seen: tuple[Seen, ...] = ()

    @property
    def has_failed(self) -> bool:
        """Whether any attempt failed."""
        return any(isinstance(part, Failure) for part in self.parts)

    @property
    def nbytes(self) -> int:
        """How many bytes of memory the unwritten frames take."""
        return sum(each.nbytes for each in self.unwritten())

    def unwritten(self) -> Iterator[Unwritten]:
        """The frames that are not stored yet."""
        for part in self.parts:
            if not isinstance(part, Failure):
                yield from (each for each in part if isinstance(each, Unwritten))

    def secured(self) -> Called:
        """The same call in memory that no one else can change: frames are copied, or stored now."""
        wall, cpu = time.perf_counter(), time.thread_time()
        parts = tuple(_all_taken(part, secured) for part in self.parts)
        n = max(1, len(parts))
        cost = replace(
            self.cost,
            seconds=self.cost.seconds + (time.perf_counter() - wall) / n,
            cpu=self.cost.cpu + (time.thread_time() - cpu) / n,
        )
        return replace(self, parts=parts, cost=cost)

    def stored(self) -> tuple[Outcome, ...]:
        """Stage and seal the outputs of all attempts; returns an outcome for each."""
        return stored([self])[0]


def stored(calls: Sequence[Called], *, is_beside: bool = False) -> list[tuple[Outcome, ...]]:
    """Store what calls have returned; returns for each call an outcome for each attempt.

    `is_beside` says that the next call runs meanwhile. The processor time of this process then
    counts as that call's, and is not counted here.
    """
    clock = _no_time if is_beside else time.thread_time
    wall, cpu = time.perf_counter(), clock()
    encoded = _encoded([each for called in calls for each in called.unwritten()])
    n = max(1, sum(len(called.parts) for called in calls))
    so_far = Cost(0.0, (time.perf_counter() - wall) / n, (clock() - cpu) / n)
    return [
        tuple(_outcome(called, i, encoded, so_far, clock) for i in range(len(called.parts)))
        for called in calls
    ]


def _no_time() -> float:
    return 0.0


def _outcome(
    called: Called,
    position: int,
    encoded: Mapping[Unwritten, tuple[bytes, str]],
    so_far: Cost,
    clock: Callable[[], float],
) -> Outcome:
    """Store the outputs of one attempt; `so_far` is its part of the cost of encoding."""
    attempt, part = called.order.attempts[position], called.parts[position]
    wall, cpu = time.perf_counter(), clock()
    outputs = _all_taken(part, lambda each: each.stored(encoded.get(each)))
    seconds = so_far.seconds + time.perf_counter() - wall
    cost = replace(
        called.cost,
        seconds=called.cost.seconds + seconds,
        cpu=called.cost.cpu + so_far.cpu + clock() - cpu,
    )
    if isinstance(outputs, Failure):
        return Outcome(attempt.serial, (), outputs, cost, called.has_log)
    return Outcome(attempt.serial, outputs, None, cost, called.has_log, called.seen)


def _all_taken(
    part: Sequence[Output | Unwritten] | Failure, take: Callable[[Unwritten], _Taken]
) -> tuple[Output | _Taken, ...] | Failure:
    """The outputs of an attempt after `take` was called on each unwritten one; or the failure."""
    if isinstance(part, Failure):
        return part
    taken: list[Output | _Taken] = []
    for each in part:
        if isinstance(each, Output):
            taken.append(each)
            continue
        try:
            taken.append(take(each))
        except refusals() as error:
            return refused(each.work, each.attempt, error)
    return tuple(taken)


def _encoded(frames: Sequence[Unwritten]) -> dict[Unwritten, tuple[bytes, str]]:
    """Small frames, encoded together; {} if there are few, or if polars refuses one.

    Which one it refuses shows when each is stored by itself.
    """
    unordered = [each for each in frames if not each.dataset.order]
    if len(unordered) > 1:
        with suppress(*refusals()):
            if sum(each.nbytes for each in unordered) <= TOGETHER:
                files = encode_frames([(each.frame, each.metadata) for each in unordered])
                return dict(zip(unordered, files, strict=True))
    return {}


def refusals() -> tuple[type[BaseException], ...]:
    """The exceptions with which the disk or polars may refuse a frame.

    A panic of polars is no `Exception`.
    """
    import polars as pl

    return (Exception, pl.exceptions.PanicException)


def streamed_to(
    work: Work,
    attempt: Attempt,
    dataset: Dataset,
    frame: pl.LazyFrame,
    staged: Path,
    metadata: Mapping[str, str],
) -> Output:
    """Stage and seal a frame while it is computed; it may be larger than memory.

    ReadError if the file does not hold what was written.
    """
    held, sha256 = stage_frame(frame, staged, metadata, ordered=bool(dataset.order))
    validate(staged, frame.collect_schema().names(), held.rows)
    output = _sealed(work, attempt, dataset, staged, held, sha256)[0]
    return replace(output, memory=Parquet().memory(staged))


@dataclass(frozen=True, slots=True, eq=False)
class Unwritten:
    """A frame in memory that is to be stored; it is not lazy, so it runs none of the user's code.

    Unless it `is_ours`, its memory may belong to the user's code. `packed` is the copy behind the
    frame, if one was made.
    """

    work: Work
    attempt: Attempt
    dataset: Dataset
    frame: pl.DataFrame
    staged: Path
    metadata: Mapping[str, str]
    is_ours: bool = False
    packed: Packed | None = None

    @property
    def nbytes(self) -> int:
        """How large it is in memory."""
        return int(self.frame.estimated_size())

    def stored(self, encoded: tuple[bytes, str] | None = None) -> Output:
        """Stage and seal the frame, and keep it for its next readers.

        `encoded` has the bytes of its file and its fingerprint, if it was encoded before. ReadError
        if the file does not hold what was written.
        """
        work, dataset, frame = self.work, self.dataset, self.frame
        held, sha256 = stage_frame(
            frame, self.staged, self.metadata, ordered=bool(dataset.order), encoded=encoded
        )
        confirm(self.staged, frame, sha256)
        output, identity = _sealed(work, self.attempt, dataset, self.staged, held, sha256)
        if work.is_read(dataset) and work.frames.wants(frame):
            packed = self.packed or pack(frame)
            if packed is not None:
                place = work.store.layout.place(dataset, output.key)
                work.frames.keep(AsRead(place, way_of(dataset)), identity, packed)
        return replace(output, memory=self.nbytes)


def secured(output: Output | Unwritten) -> Output | Unwritten:
    """The output in memory that the user's code cannot change: copied, or stored now.

    A copy costs a tenth of encoding, and can be encoded while the next call runs. A frame that is
    too large to have twice in memory is stored at once.
    """
    if isinstance(output, Output) or output.is_ours:
        return output
    packed = pack(output.frame) if output.nbytes <= COPIED else None
    if packed is None:
        return output.stored()
    return replace(output, frame=packed.frame, packed=packed, is_ours=True)


def _sealed(
    work: Work, attempt: Attempt, dataset: Dataset, staged: Path, held: Contents, sha256: str
) -> tuple[Output, tuple[int, int, int]]:
    """Seal a staged frame; returns the output, and its file's size, mtime and inode."""
    key = attempt.lineage.key
    is_close = False
    if dataset.float_tolerance and dataset.name in attempt.present:
        is_close = _is_close(dataset, staged, file_of(work.store, dataset, key))
    name = staged_name(str(staged))
    identity = work.store.seal(name)
    output = Output(
        dataset.name,
        key,
        name,
        held.content,
        held.rows,
        identity[0],
        sha256,
        is_close,
        held.schema,
    )
    return output, identity


def _is_close(dataset: Dataset, staged: Path, present: Path) -> bool:
    """Whether the staged frame equals the present one within the dataset's tolerance."""
    form = Parquet(bool(dataset.order), dataset.schema, own=True)
    try:
        old = form.read(present)
    except ReadError:
        return False
    return equal_within(
        form.read(staged), old, dataset.float_tolerance, ordered=bool(dataset.order)
    )
