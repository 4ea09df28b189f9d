"""Puts a kept materialization of a partition back, with all outputs of its step, and pins it.

Knows nothing of plans. It publishes a copy of the kept file, never a link to it. Requires: the
lease is held.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.graph import Graph
from partflow.declarations.graphdocument import graph_text
from partflow.errors import PublishError, UsageError
from partflow.formats.fingerprint import file_digest
from partflow.metastore.protocol import Materializations, Metastore
from partflow.metastore.record import Intent, Record, RunRow, StepLog
from partflow.metastore.runlog import RunLog
from partflow.partitions.keytexts import shown_key
from partflow.partitions.sets import PartitionSet
from partflow.planning.footprint import Footprint
from partflow.store.layout import staged_as
from partflow.store.protocol import Store, file_of
from partflow.warehouse.publishing import Publication, Publishing

HOW = "rolled_back"
_RELEASED = "released"
_FICLONE = 0x40049409
"""Linux's ioctl request by which two files share blocks until one of them is written."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A file in the history of a partition, under its number there.

    `record` is None if no making of it is recorded. `is_present` says that the partition has the
    same content now.
    """

    number: int
    path: Path
    nbytes: int
    record: Record | None
    is_present: bool


@dataclass(frozen=True, slots=True)
class PutBack:
    """The records that are current now, after something was put back or released."""

    run: str
    records: tuple[Record, ...]


def kept_of(
    graph: Graph, store: Store, metastore: Materializations, name: str, key: str
) -> tuple[Kept, ...]:
    """The files in the history of a partition, the newest first; each is read for its digest.

    UsageError if no task makes the dataset, or `key` is none of its keys.
    """
    dataset = _dataset(graph, name)
    key = dataset.grain.key(dataset.grain.ordinal(key))
    past = metastore.history(name, key)
    current = next(iter(metastore.records(name, key)), None)
    kept = []
    for number, path in sorted(store.kept(name, key).items(), reverse=True):
        sha256, nbytes = file_digest(path)
        record = next((r for r in past if r.sha256 == sha256), None)
        is_present = (
            current is not None and record is not None and current.content == record.content
        )
        kept.append(Kept(number, path, nbytes, record, is_present))
    return tuple(kept)


def touched_at(graph: Graph, name: str, key: str) -> Footprint:
    """What putting a partition back touches: the partition, and the other outputs of its step.

    UsageError as for `kept_of`.
    """
    dataset = _dataset(graph, name)
    interval = dataset.grain.interval(dataset.grain.ordinal(key))
    span = PartitionSet.of([(interval.start, interval.end)])
    return Footprint({each.name: span for each in _made_at_once(graph, dataset, key)})


def _made_at_once(graph: Graph, dataset: Dataset, key: str) -> tuple[Dataset, ...]:
    """All datasets that the task of this partition writes in one step."""
    ordinal = dataset.grain.ordinal(key)
    for task in graph.writers(dataset.name):
        extent = graph.task_extents[task.name]
        if extent.lo <= ordinal and (extent.hi is None or ordinal < extent.hi):
            return tuple(task.writes)
    return (dataset,)


@dataclass(frozen=True, slots=True)
class RollingBack:
    """Puts back or releases, as the run whose row is `row`; `clock` gives epoch nanoseconds."""

    graph: Graph
    store: Store
    metastore: Metastore
    row: RunRow
    clock: Callable[[], int]

    def put_back(self, name: str, key: str, to: int | None) -> PutBack:
        """Put one materialization back; `to` is its number, None for the newest other one.

        Raises:
            UsageError: no task makes the dataset, or nothing is kept that could be put back.
            PublishError: a copy is damaged, or somebody wrote or claimed a file meanwhile.
            OSError: the disk refused a file.
        """
        dataset = _dataset(self.graph, name)
        key = dataset.grain.key(dataset.grain.ordinal(key))
        kept = self._kept(name, key)
        chosen = _chosen(kept, name, key, to)
        outputs = [(dataset, chosen), *self._others(dataset, key, chosen)]
        sources = [self._source(d, r) for d, r in outputs]
        log = self._begun()
        try:
            records = self._publish(outputs, sources)
        except BaseException:
            log.cut_off(self.row.id, self._now())
            raise
        finally:
            self._publishing.sweep(self.row.id)
        self._ended(log, name, records, HOW)
        return PutBack(self.row.id, tuple(records))

    def release(self, name: str, key: str) -> PutBack:
        """Unpin what was put back, with all outputs of its step; the files stay as they are.

        UsageError if it was not put back, or was made or released since.
        """
        dataset = _dataset(self.graph, name)
        key = dataset.grain.key(dataset.grain.ordinal(key))
        pinned = []
        for each in _made_at_once(self.graph, dataset, key):
            now = next(iter(self.metastore.history(each.name, key)), None)
            if now is not None and now.pinned and now.how == HOW:
                (current,) = self.metastore.records(each.name, key)
                pinned.append(replace(current, pinned=False, how=_RELEASED, run=self.row.id))
        if not pinned:
            raise UsageError(
                f"{name}@{shown_key(key)} was not put back, or was made or released since; a "
                f"file that was accepted is made again by `partflow backfill {name} -p "
                f"{shown_key(key)}`"
            )
        log = self._begun()
        self._record_all([(r, None) for r in pinned], is_in_place=False)
        self._ended(log, name, pinned, _RELEASED)
        return PutBack(self.row.id, tuple(pinned))

    def _kept(self, name: str, key: str) -> tuple[Kept, ...]:
        return kept_of(self.graph, self.store, self.metastore, name, key)

    def _others(
        self, dataset: Dataset, key: str, chosen: Record
    ) -> Iterator[tuple[Dataset, Record]]:
        """The same run's records of the step's other outputs; UsageError if one is missing."""
        for other in _made_at_once(self.graph, dataset, key):
            if other.name == dataset.name:
                continue
            past = self.metastore.history(other.name, key)
            then = next((r for r in past if r.run == chosen.run), None)
            if then is None:
                raise UsageError(
                    f"{other.name}@{shown_key(key)} is made together with {dataset.name}, and was "
                    f"not made by the run {chosen.run}; put back another one: `partflow rollback "
                    f"{dataset.name} -p {shown_key(key)} --list`"
                )
            yield other, then

    def _source(self, dataset: Dataset, record: Record) -> Path:
        """The file that a record is of: the present one, or one in the history; else UsageError."""
        present = file_of(self.store, dataset, record.key)
        if present.exists() and file_digest(present)[0] == record.sha256:
            return present
        for kept in self._kept(dataset.name, record.key):
            if kept.record is not None and kept.record.sha256 == record.sha256:
                return kept.path
        raise UsageError(
            f"{dataset.name}@{shown_key(record.key)} as the run {record.run} made it is no longer "
            "kept; the history holds the last ones only (history = N in the configuration)"
        )

    def _record(self, was: Record) -> Record:
        """The record, as put back by this run and pinned."""
        note = f"put back as the run {was.run} made it; pinned until it is released, or a backfill"
        return replace(was, how=HOW, run=self.row.id, pinned=True, note=note)

    def _publish(
        self, outputs: Sequence[tuple[Dataset, Record]], sources: Sequence[Path]
    ) -> Sequence[Record]:
        """Stage copies of the kept files, and make them current together."""
        staged: list[str | None] = []
        for number, ((dataset, was), source) in enumerate(zip(outputs, sources, strict=True)):
            if source == file_of(self.store, dataset, was.key):
                staged.append(None)  # The present file is the one.
                continue
            name = staged_as(self.row.id, 0, number)
            path = self.store.stage(name)
            _copy(source, path)
            if file_digest(path)[0] != was.sha256:
                raise PublishError(
                    f"a copy of {source} is not what it was copied from; the disk is not to be "
                    "trusted"
                )
            self.store.seal(name)
            staged.append(name)
        return self._record_all(
            [(self._record(was), name) for (_, was), name in zip(outputs, staged, strict=True)],
            is_in_place=True,
        )

    def _record_all(
        self, wanted: Sequence[tuple[Record, str | None]], *, is_in_place: bool
    ) -> Sequence[Record]:
        """Claim and publish records as one step, each with the name of its staged file, or None.

        `is_in_place` says of records without a staged file that their file was seen in place.
        """
        at = [(r.node, r.key, r.start) for r, _ in wanted]
        was = self.metastore.current([(n, k) for n, k, _ in at])
        epochs = self.metastore.claim(self.row.id, at)
        seen = self._publishing.seen((n, k) for n, k, _ in at)
        intents = [
            Intent(
                f"{self.row.id}/0", r.node, r.key, epochs[r.node, r.key],
                name, was[r.node, r.key].sha256, r.sha256, r,
            )
            for r, name in wanted
        ]  # fmt: skip
        published = self._publishing.publish(
            [
                Publication(
                    i,
                    was[i.node, i.key].seq,
                    seen[i.node, i.key],
                    is_in_place=is_in_place and i.staged is None,
                )
                for i in intents
            ]
        )
        published.require_all()
        return published.records

    @property
    def _publishing(self) -> Publishing:
        return Publishing(self.metastore, self.store, self.graph.datasets)

    def _begun(self) -> RunLog:
        log = RunLog(self.metastore)
        log.begin(self.row, graph_text(self.graph, {}))
        return log

    def _ended(self, log: RunLog, name: str, records: Sequence[Record], state: str) -> None:
        writers = self.graph.writers(name)
        task = writers[0].name if writers else name
        at = self._now()
        steps = [StepLog(task, records[0].key, 1, state, state, 0.0, records[0].note)]
        log.steps_ended(self.row.id, at, steps)
        log.finish(replace(self.row, finished_at=at, state="done"))

    def _now(self) -> float:
        return self.clock() / 1e9


def _dataset(graph: Graph, name: str) -> Dataset:
    """The dataset of that name; UsageError if no task makes it."""
    dataset = graph.datasets.get(name)
    if dataset is None or isinstance(dataset, Source):
        problem = "is a source: what it was is not kept" if dataset is not None else "is no dataset"
        raise UsageError(f"{name!r} {problem}; name a dataset that a task makes (`partflow ls`)")
    return dataset


def _chosen(kept: Sequence[Kept], name: str, key: str, to: int | None) -> Record:
    """The record of the kept file to put back; UsageError if there is none."""
    if to is not None:
        kept = [each for each in kept if each.number == to]
    else:
        kept = [each for each in kept if not each.is_present]
    at = shown_key(key)
    if not kept:
        problem = "nothing else is kept" if to is None else f"there is no number {to}"
        raise UsageError(
            f"{name}@{at}: {problem}; `partflow rollback {name} -p {at} --list` shows what is kept"
        )
    if kept[0].record is None:
        raise UsageError(
            f"{kept[0].path} is nothing that was recorded of {name}@{at}: somebody's file, or a "
            f"damaged one; copy it to its place by hand and `partflow accept {name} -p {at}`"
        )
    return kept[0].record


def _copy(source: Path, target: Path) -> None:
    """Copy a file; if the file system can, both share blocks. It never makes a link."""
    with source.open("rb") as old, target.open("wb") as new:
        try:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
        except OSError:
            shutil.copyfileobj(old, new, 2**20)
