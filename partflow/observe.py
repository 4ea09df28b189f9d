"""Compares what is recorded with the files that are there: the snapshot that a plan is made from.

Knows nothing of plans. Looking never writes: what is found is given back to be recorded by a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

import numpy as np

from partflow.dataset import Dataset
from partflow.errors import ReadError
from partflow.formats import format_of
from partflow.graph import Graph
from partflow.lineage import Condition, DatasetState, Snapshot, empty_state, lanes_array
from partflow.metastore import Metastore
from partflow.plan import horizon_of
from partflow.record import FileIdentity, Intent, Record
from partflow.store import Store, file_digest, identity, is_settled

_DIGEST = 16


class Verify(Enum):
    """How far files are looked at: the record is trusted, their stat, or all bytes are read."""

    RECORD = "record"
    STAT = "stat"
    CONTENT = "content"


@dataclass(slots=True)
class Observed:
    """A snapshot, and what was found that is not recorded yet.

    `news` are new contents (of sources; adopted files), `touched` files with other times or inodes
    and the content that they had, `problems` says by (dataset, key) why a file cannot be read.
    """

    snapshot: Snapshot
    news: list[Record] = field(default_factory=list)
    touched: list[Record] = field(default_factory=list)
    problems: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def is_unsettled(self) -> bool:
        """Whether a file was so young that its stat proves nothing: a moment later it does."""
        return any(r.identity and not r.identity.mtime_ns for r in (*self.news, *self.touched))


@dataclass(slots=True)
class _Look:
    """What looking needs: where things lie, and the time."""

    metastore: Metastore
    store: Store
    now_ns: int
    verify: Verify
    found: Observed


def observe(
    graph: Graph,
    codes: Mapping[str, str],
    metastore: Metastore,
    store: Store,
    now_ns: int,
    verify: Verify = Verify.STAT,
) -> Observed:
    """Look at every dataset's files; `codes` are the tasks' present code fingerprints."""
    now = now_ns // 1_000_000_000
    states: dict[str, DatasetState] = {}
    snapshot = Snapshot(now, states, codes, metastore.effects(), metastore.seq)
    look = _Look(metastore, store, now_ns, verify, Observed(snapshot))
    for name, dataset in graph.datasets.items():
        lo, hi = graph.dataset_extents[name].lo, horizon_of(graph, name, now)
        reads = max((len(t.inputs) for t in graph.writers(name)), default=0)
        records = _by_ordinal(dataset, metastore.records(name), lo, hi)
        if verify is not Verify.RECORD or dataset.is_source:
            _compare(look, dataset, records, lo, hi)
        states[name] = _state(records, lo, hi, reads)
    for task in graph.tasks:
        if task.is_effect:
            lo, hi = graph.task_extents[task.name].lo, horizon_of(graph, task.name, now)
            found = metastore.records(task.name)
            starts = np.array([r.start for r in found], np.int64)
            ordinals = task.grain.ordinals_at(starts).tolist() if found else []
            kept = {o: _Seen(r, _condition_of(r)) for o, r in zip(ordinals, found, strict=True)}
            states[task.name] = _state(kept, lo, hi, len(task.inputs))
    return look.found


@dataclass(slots=True)
class _Seen:
    """A record and how its file stands beside it."""

    record: Record
    condition: Condition


def _condition_of(record: Record) -> Condition:
    return Condition.GOOD if record.seq else Condition.ABSENT


def _by_ordinal(dataset: Dataset, records: Sequence[Record], lo: int, hi: int) -> dict[int, _Seen]:
    if not records:
        return {}
    starts = np.array([r.start for r in records], np.int64)
    ordinals = dataset.grain.ordinals_at(starts).tolist()
    own = dataset.grain.keys(lo, hi) if hi > lo else []
    return {
        o: _Seen(r, _condition_of(r))
        for o, r in zip(ordinals, records, strict=True)
        if lo <= o < hi and own[o - lo] == r.key
    }


def _compare(look: _Look, dataset: Dataset, records: dict[int, _Seen], lo: int, hi: int) -> None:
    """Set the conditions by the files; most are as recorded, and cost one stat each."""
    if hi <= lo:
        return
    keys = dataset.grain.keys(lo, hi)
    starts = dataset.grain.edges(lo, hi)
    for i, found in enumerate(look.store.identities(dataset, keys)):
        seen = records.get(lo + i)
        if seen is None:
            if found is None:
                continue
            seen = records[lo + i] = _Seen(
                Record(dataset.name, keys[i], int(starts[i])), Condition.ABSENT
            )
        if found is None:
            seen.condition = Condition.GONE if seen.record.seq else Condition.ABSENT
        elif look.verify is Verify.CONTENT or found != seen.record.identity or not seen.record.seq:
            _look_closer(look, dataset, seen, found)


def _look_closer(look: _Look, dataset: Dataset, seen: _Seen, found: FileIdentity) -> None:
    """Read a file whose stat is not the recorded one."""
    record = seen.record
    path = look.store.path(dataset, record.key)
    try:
        sha256, size = file_digest(path)
        trusted = found if is_settled(found, look.now_ns) else FileIdentity(size, 0, 0, 0)
        if record.seq and sha256 == record.sha256:
            seen.condition = Condition.GOOD
            if found != record.identity:
                look.found.touched.append(replace(record, identity=trusted, sha256=sha256))
            return
        content = _content(dataset, path)
    except (ReadError, OSError) as error:
        seen.condition = Condition.DAMAGED
        look.found.problems[dataset.name, record.key] = str(error)
        return
    present = replace(record, content=content, sha256=sha256, identity=trusted, nbytes=size)
    if record.seq and content == record.content:
        seen.condition = Condition.GOOD
        look.found.touched.append(present)
    elif dataset.is_source:
        made_at = look.now_ns // 1_000_000_000
        seen.record = replace(present, how="observed", made_at=made_at, seq=1, run=None)
        seen.condition = Condition.GOOD
        look.found.news.append(seen.record)
    else:
        _adopt(look, seen, present)


def _adopt(look: _Look, seen: _Seen, present: Record) -> None:
    """A task's file with other values: one of this partition's own past, or somebody's hand."""
    past = look.metastore.history(present.node, present.key)
    same = next((r for r in past if r.content == present.content), None)
    if same is None:
        seen.condition = Condition.CHANGED
        return
    seen.record = replace(
        same, identity=present.identity, sha256=present.sha256, nbytes=present.nbytes, how="adopted"
    )
    seen.condition = Condition.GOOD
    look.found.news.append(seen.record)


def _content(dataset: Dataset, path: Path) -> str:
    return format_of(dataset).fingerprint(path)


def _state(records: Mapping[int, _Seen], lo: int, hi: int, reads: int) -> DatasetState:
    """The records as arrays over `[lo, hi)`."""
    found = empty_state(lo, max(hi - lo, 0), reads)
    inside = [(o - lo, s) for o, s in records.items() if lo <= o < hi]
    if not inside:
        return found
    at = np.array([i for i, _ in inside])
    rows = [s.record for _, s in inside]
    found.condition[at] = [s.condition for _, s in inside]
    found.content[at] = lanes_array([r.content for r in rows])
    found.code[at] = lanes_array([r.code for r in rows])
    found.reads[at] = [r.reads if r.seq else -1 for r in rows]
    found.made_at[at] = [r.made_at for r in rows]
    found.seq[at] = [r.seq for r in rows]
    found.rows[at] = [r.rows for r in rows]
    found.nbytes[at] = [r.nbytes for r in rows]
    found.failed[at] = [r.failure is not None for r in rows]
    wanted = reads * _DIGEST
    blobs = b"".join(r.inputs if len(r.inputs) == wanted else bytes(wanted) for r in rows)
    if reads:
        found.inputs[at] = np.frombuffer(blobs, np.uint64).reshape(len(rows), reads, 2)
    for i, record in zip(at.tolist(), rows, strict=True):
        if len(record.inputs) != wanted and record.seq:
            found.reads[i] = -1
    return found


def recover(metastore: Metastore, store: Store, graph: Graph) -> int:
    """Finish or undo what a run that died had intended; how many partitions it concerned.

    Requires: the lease is held, so that no other run is at it. A step of which one output is in
    place is rolled forward; one of which none is, back. What is neither is left for the next look.
    """
    intents = metastore.intents()
    steps: dict[str, list[Intent]] = {}
    for intent in intents:
        steps.setdefault(intent.step, []).append(intent)
    for group in steps.values():
        with store.locked((i.node, i.key) for i in group):
            _recover_step(metastore, store, graph, group)
    for run in store.staged_runs():
        store.sweep(run)
    return len(intents)


def _recover_step(
    metastore: Metastore, store: Store, graph: Graph, group: Sequence[Intent]
) -> None:
    done, rest = [], []
    for intent in group:
        dataset = graph.datasets.get(intent.node)
        path = None if dataset is None else store.path(dataset, intent.key)
        if path is not None and path.exists() and file_digest(path)[0] == intent.new_sha256:
            done.append(_with_identity(intent, path))
        else:
            rest.append(intent)
    if not done:
        metastore.abandon(rest)
        return
    for intent in rest:
        staged = Path(intent.staged) if intent.staged else None
        dataset = graph.datasets.get(intent.node)
        if staged is not None and dataset is not None and staged.exists():
            store.publish(staged, dataset, intent.key, intent.record.seq)
            done.append(_with_identity(intent, store.path(dataset, intent.key)))
    metastore.commit(done)
    metastore.abandon([i for i in rest if i not in done])


def _with_identity(intent: Intent, path: Path) -> Intent:
    return replace(intent, record=replace(intent.record, identity=identity(path)))
