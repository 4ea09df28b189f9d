"""Stores what calls have returned: encoded together, then each staged, confirmed and sealed.

Knows nothing of the user's code, which has run before; it never touches what is published.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from partflow.declarations.dataset import Dataset
from partflow.errors import ReadError
from partflow.execution.attempt.assignment import Work, refused
from partflow.execution.orders import Attempt, Cost, Failure, Order, Outcome, Output
from partflow.execution.sizing import memory_by_footer
from partflow.formats.copies import Packed, pack
from partflow.formats.fingerprint import equal_within
from partflow.formats.frames import Encoded, StagedFrame, encode_frames, stage_frame
from partflow.formats.known import way_of
from partflow.formats.parquet import Parquet
from partflow.formats.readback import confirm, validate
from partflow.formats.schemas import schema_text
from partflow.metastore.record import Seen
from partflow.warehouse.handover import AsRead

if TYPE_CHECKING:
    import polars as pl

TOGETHER = 32 * 2**20
"""Frames of up to so many bytes in all are encoded in one go."""

COPIED = 64 * 2**20
"""What a call returned is copied up to so many bytes a frame; a larger one is stored at once."""


@dataclass(slots=True)
class Called:
    """A call that has returned: for each attempt what stores its outputs, or why it failed.

    `cost` is that of each attempt so far, in equal parts. What it returned is the caller's, who may
    change it in the next call: before that, it is `secured` or stored.
    """

    order: Order
    parts: list[Sequence[Prepared] | Failure]
    cost: Cost
    work: Work | None = None
    has_log: bool = False
    seen: tuple[Seen, ...] = ()

    @property
    def has_failed(self) -> bool:
        """Whether any attempt failed."""
        return any(isinstance(part, Failure) for part in self.parts)

    @property
    def nbytes(self) -> int:
        """How large in memory is what waits to be stored."""
        return sum(one.nbytes for one in self.unwritten())

    def unwritten(self) -> Iterator[Unwritten]:
        """What waits to be stored."""
        for part in self.parts:
            if not isinstance(part, Failure):
                yield from (one for one in part if isinstance(one, Unwritten))

    def secure(self) -> None:
        """Take what waits to be stored out of the caller's hands: copied, or stored at once."""
        wall, cpu = time.perf_counter(), time.thread_time()
        for i, (attempt, part) in enumerate(zip(self.order.attempts, self.parts, strict=True)):
            if not isinstance(part, Failure):
                self.parts[i] = self._secured(attempt, part)
        n = max(1, len(self.parts))
        seconds = self.cost.seconds + (time.perf_counter() - wall) / n
        self.cost = replace(
            self.cost, seconds=seconds, cpu=self.cost.cpu + (time.thread_time() - cpu) / n
        )

    def _secured(self, attempt: Attempt, part: Sequence[Prepared]) -> Sequence[Prepared] | Failure:
        assert self.work is not None, "BUG: there is nothing to secure of what was not carried out"
        try:
            return [secured(one) for one in part]
        except refusals() as error:
            return refused(self.work, attempt, error)

    def stored(self) -> tuple[Outcome, ...]:
        """Store the outputs of all attempts, staged and sealed."""
        return stored([self])[0]

    def outcomes(self, so_far: Cost, *, is_beside: bool) -> tuple[Outcome, ...]:
        """Store the outputs of each attempt, which has cost that much beside the call."""
        pairs = zip(self.order.attempts, self.parts, strict=True)
        return tuple(self._outcome(attempt, part, so_far, is_beside) for attempt, part in pairs)

    def _outcome(
        self,
        attempt: Attempt,
        part: Sequence[Prepared] | Failure,
        so_far: Cost,
        is_beside: bool,  # noqa: FBT001
    ) -> Outcome:
        wall, cpu = time.perf_counter(), time.thread_time()
        found = part if isinstance(part, Failure) else self._outputs(attempt, part)
        seconds = so_far.seconds + time.perf_counter() - wall
        spent = 0.0 if is_beside else so_far.cpu + time.thread_time() - cpu
        cost = replace(self.cost, seconds=self.cost.seconds + seconds, cpu=self.cost.cpu + spent)
        if isinstance(found, Failure):
            return Outcome(attempt.serial, (), found, cost, self.has_log)
        return Outcome(attempt.serial, found, None, cost, self.has_log, self.seen)

    def _outputs(self, attempt: Attempt, part: Sequence[Prepared]) -> tuple[Output, ...] | Failure:
        work = self.work
        assert work is not None, "BUG: there is nothing to store of what was not carried out"
        try:
            return tuple(one if isinstance(one, Output) else one.stored() for one in part)
        except refusals() as error:
            return refused(work, attempt, error)


def stored(calls: Sequence[Called], *, is_beside: bool = False) -> list[tuple[Outcome, ...]]:
    """Store what calls have returned: for each call an outcome for each of its attempts.

    `is_beside` the next call, whose cost of the processor then has this in it already.
    """
    frames = [one for called in calls for one in called.unwritten()]
    wall, cpu = time.perf_counter(), time.thread_time()
    _encode(frames)
    n = max(1, sum(len(called.parts) for called in calls))
    each = Cost(0.0, (time.perf_counter() - wall) / n, (time.thread_time() - cpu) / n)
    return [called.outcomes(each, is_beside=is_beside) for called in calls]


def _encode(frames: Sequence[Unwritten]) -> None:
    """Encode small frames together; what polars refuses is found when each is stored by itself."""
    unordered = [one for one in frames if not one.dataset.order]
    if len(unordered) <= 1:
        return
    with suppress(*refusals()):
        if sum(one.nbytes for one in unordered) > TOGETHER:
            return
        found = encode_frames([(one.frame, one.metadata) for one in unordered])
        for one, encoded in zip(unordered, found, strict=True):
            one.encoded = encoded


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
    made = stage_frame(frame, staged, metadata, ordered=bool(dataset.order))
    schema = frame.collect_schema()
    validate(staged, schema.names(), made.rows)
    output = _sealed(work, attempt, dataset, staged, made, schema_text(schema))[0]
    return replace(output, memory=memory_by_footer(staged))


@dataclass(slots=True)
class Unwritten:
    """A frame in memory that is to be stored; `encoded` is what its file is to hold, once known.

    None of the user's code is left in that. Its memory may be the caller's, unless it `is_ours`.
    """

    work: Work
    attempt: Attempt
    dataset: Dataset
    frame: pl.DataFrame
    staged: Path
    metadata: Mapping[str, str]
    is_ours: bool = False
    encoded: Encoded | None = None
    packed: Packed | None = None

    @property
    def nbytes(self) -> int:
        """How large it is in memory."""
        return int(self.frame.estimated_size())

    def stored(self) -> Output:
        """Stage and seal it, and keep it for those that read it next."""
        work, dataset, frame = self.work, self.dataset, self.frame
        made = stage_frame(
            frame, self.staged, self.metadata, ordered=bool(dataset.order), encoded=self.encoded
        )
        confirm(self.staged, frame, made.sha256)
        schema = schema_text(frame.schema)
        output, identity = _sealed(work, self.attempt, dataset, self.staged, made, schema)
        if work.is_read(dataset) and work.frames.wants(frame):
            packed = self.packed or pack(frame)
            if packed is not None:
                place = work.store.place(dataset, output.key)
                work.frames.keep(AsRead(place, way_of(dataset)), identity, packed)
        return replace(output, memory=self.nbytes)


Prepared = Output | Unwritten
"""An output that is stored already, or what is to be stored."""


def secured(prepared: Prepared) -> Prepared:
    """An output out of the caller's hands: a copy that is to be stored, or stored already.

    A copy costs a tenth of encoding, and what is copied can be encoded beside the next call. What
    is too large to have twice in memory is stored at once.
    """
    if isinstance(prepared, Output) or prepared.is_ours:
        return prepared
    packed = pack(prepared.frame) if prepared.nbytes <= COPIED else None
    if packed is None:
        return prepared.stored()
    prepared.packed, prepared.frame, prepared.is_ours = packed, packed.frame, True
    return prepared


def _sealed(
    work: Work, attempt: Attempt, dataset: Dataset, staged: Path, made: StagedFrame, schema: str
) -> tuple[Output, tuple[int, int, int]]:
    """Seal a staged frame; the output, and the identity of its file."""
    key = attempt.lineage.key
    close = False
    if dataset.float_tolerance and dataset.name in attempt.present:
        close = _is_close(dataset, staged, work.store.path(dataset, key))
    identity = work.store.seal(staged)
    output = Output(
        dataset.name,
        key,
        str(staged),
        made.content,
        made.rows,
        identity[0],
        made.sha256,
        close,
        schema,
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
