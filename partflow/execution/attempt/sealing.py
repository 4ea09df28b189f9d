"""Stores what calls have returned: encoded together, then each staged, confirmed and sealed.

Knows nothing of the user's code, which has run before; it never touches what is published.
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
"""Frames of up to so many bytes in all are encoded in one go."""

COPIED = 64 * 2**20
"""What a call returned is copied up to so many bytes a frame; a larger one is stored at once."""

_Taken = TypeVar("_Taken")


@dataclass(frozen=True, slots=True)
class Called:
    """A call that has returned: for each attempt its outputs, stored or not, or why it failed.

    `cost` is that of each attempt so far, in equal parts. What it returned is the caller's, who may
    change it in the next call: before that, it is `secured` or stored.
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
        """How large in memory is what waits to be stored."""
        return sum(each.nbytes for each in self.unwritten())

    def unwritten(self) -> Iterator[Unwritten]:
        """What waits to be stored."""
        for part in self.parts:
            if not isinstance(part, Failure):
                yield from (each for each in part if isinstance(each, Unwritten))

    def secured(self) -> Called:
        """The same, out of the caller's hands: what waits is copied, or stored at once."""
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
        """Store the outputs of all attempts, staged and sealed."""
        return stored([self])[0]


def stored(calls: Sequence[Called], *, is_beside: bool = False) -> list[tuple[Outcome, ...]]:
    """Store what calls have returned: for each call an outcome for each of its attempts.

    `is_beside` the next call, whose cost of the processor then has this in it already.
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
    """Store the outputs of one attempt, of which encoding has cost that much `so_far`."""
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
    """What was made of each frame of an attempt that waits to be stored, or why it failed."""
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
    """Small frames encoded together; what polars refuses shows when each is stored by itself."""
    unordered = [each for each in frames if not each.dataset.order]
    if len(unordered) > 1:
        with suppress(*refusals()):
            if sum(each.nbytes for each in unordered) <= TOGETHER:
                found = encode_frames([(each.frame, each.metadata) for each in unordered])
                return dict(zip(unordered, found, strict=True))
    return {}


def refusals() -> tuple[type[BaseException], ...]:
    """What the disk or polars may refuse a frame with; a panic of polars is no Exception."""
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
    """Stage and seal a frame that may be larger than memory, as it is computed."""
    held, sha256 = stage_frame(frame, staged, metadata, ordered=bool(dataset.order))
    validate(staged, frame.collect_schema().names(), held.rows)
    output = _sealed(work, attempt, dataset, staged, held, sha256)[0]
    return replace(output, memory=Parquet().memory(staged))


@dataclass(frozen=True, slots=True, eq=False)
class Unwritten:
    """A frame in memory that is to be stored: none of the user's code is left in it.

    Its memory may be the caller's, unless it `is_ours`; `packed` is the copy that it is then, if
    it was made for this.
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
        """Stage and seal it, and keep it for those that read it next.

        `encoded` is what its file is to hold, and the fingerprint of that, if it is known already.
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
    """An output out of the caller's hands: a copy that is to be stored, or stored already.

    A copy costs a tenth of encoding, and what is copied can be encoded beside the next call. What
    is too large to have twice in memory is stored at once.
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
    """Seal a staged frame; the output, and the identity of its file."""
    key = attempt.lineage.key
    close = False
    if dataset.float_tolerance and dataset.name in attempt.present:
        close = _is_close(dataset, staged, file_of(work.store, dataset, key))
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
        close,
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
