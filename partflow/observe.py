"""Compares what is recorded with the files that are there: the snapshot that a plan is made from.

Knows nothing of plans. Looking never writes: what is found is given back to be recorded by a run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from partflow.columns import ColumnCache, Columns
from partflow.content import file_digest
from partflow.dataset import Dataset
from partflow.errors import ReadError
from partflow.formats import format_of
from partflow.grain import Grain
from partflow.graph import Graph
from partflow.lineage import Condition, DatasetState, Snapshot, empty_state, lanes
from partflow.metastore import Metastore
from partflow.plan import horizon_of
from partflow.record import FileIdentity, Intent, Record
from partflow.store import Store, identity, is_settled

if TYPE_CHECKING:
    from numpy.typing import NDArray


_AS_RECORDED = (
    "content", "code", "reads", "made_at", "seq", "rows", "nbytes", "failed", "pinned"
)  # fmt: skip


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
    `hands` are tasks' files that somebody changed, as they are now, beside what was made.
    """

    snapshot: Snapshot
    news: list[Record] = field(default_factory=list)
    touched: list[Record] = field(default_factory=list)
    problems: dict[tuple[str, str], str] = field(default_factory=dict)
    hands: dict[tuple[str, str], Record] = field(default_factory=dict)

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
    cache = ColumnCache(metastore, store.columns)
    for name, dataset in graph.datasets.items():
        lo, hi = graph.dataset_extents[name].lo, horizon_of(graph, name, now)
        reads = max((len(t.inputs) for t in graph.writers(name)), default=0)
        columns, at = _placed(cache.load(name), dataset.grain, lo, hi)
        states[name] = state = _state(columns, at, lo, max(hi - lo, 0), reads)
        _compare(look, dataset, state, columns, at)
    for task in graph.tasks:
        if task.is_effect:
            lo, hi = graph.task_extents[task.name].lo, horizon_of(graph, task.name, now)
            columns, at = _placed(cache.load(task.name), task.grain, lo, hi)
            states[task.name] = _state(columns, at, lo, max(hi - lo, 0), len(task.inputs))
    return look.found


def _placed(columns: Columns, grain: Grain, lo: int, hi: int) -> tuple[Columns, NDArray[np.int64]]:
    """The records of partitions in `[lo, hi)`, and where in it they stand.

    What was recorded of another grain is left out: its keys or its starts are not those of now.
    """
    starts = np.ascontiguousarray(columns.table["start"])
    if not len(starts) or hi <= lo:
        return Columns(columns.table[:0]), np.zeros(0, np.int64)
    at = grain.ordinals_at(starts) - lo
    inside = (at >= 0) & (at < hi - lo)
    keys = np.array(grain.keys(lo, hi), np.bytes_)
    safe = np.where(inside, at, 0)
    same = (keys[safe] == columns.table["key"]) & (grain.edges(lo, hi)[safe] == starts)
    kept = inside & same
    if kept.all():
        return columns, at
    return Columns(columns.table[kept]), at[kept]


def _state(columns: Columns, at: NDArray[np.int64], lo: int, n: int, reads: int) -> DatasetState:
    """The records as arrays over `n` ordinals from `lo` on, each file taken to be as recorded."""
    found = empty_state(lo, n, reads)
    found.condition[at] = Condition.GOOD
    for name in _AS_RECORDED:
        getattr(found, name)[at] = columns.table[name]
    found.inputs[at] = columns.inputs(reads)
    return found


@dataclass(slots=True)
class _Seen:
    """A record and how its file stands beside it."""

    record: Record
    condition: Condition


def _compare(
    look: _Look, dataset: Dataset, state: DatasetState, columns: Columns, at: NDArray[np.int64]
) -> None:
    """Set the conditions by the files; those that are as recorded cost one stat each."""
    n, known = len(state.condition), state.seq > 0
    recorded = np.full((n, 4), -1, np.int64)
    recorded[at] = columns.table["identity"]
    if look.verify is Verify.RECORD and (known.all() or not dataset.is_source):
        return  # what is recorded is trusted; only a source can have brought something new
    keys = dataset.grain.keys(state.lo, state.hi)
    if look.verify is Verify.RECORD:
        found = recorded.copy()
        new = np.flatnonzero(~known)
        found[new] = look.store.identities(dataset, [keys[i] for i in new.tolist()])
    else:
        found = look.store.identities(dataset, keys)
    there = found[:, 0] >= 0
    state.condition[~there] = np.where(known[~there], Condition.GONE, Condition.ABSENT)
    differs = there & (look.verify is Verify.CONTENT or (found != recorded).any(axis=1))
    starts = dataset.grain.edges(state.lo, state.hi)
    for i in np.flatnonzero(differs).tolist():
        fresh = Record(dataset.name, keys[i], int(starts[i]))
        records = look.metastore.records(dataset.name, keys[i]) if known[i] else [fresh]
        seen = _Seen(records[0], Condition.GOOD)
        _look_closer(look, dataset, seen, FileIdentity(*found[i].tolist()))
        _entered(state, i, seen)


def _entered(state: DatasetState, i: int, seen: _Seen) -> None:
    """Put what a closer look found into the arrays."""
    record = seen.record
    state.condition[i] = seen.condition
    if seen.condition is not Condition.GOOD:
        return
    state.content[i] = (0, 0) if record.content is None else lanes(record.content)
    state.code[i] = (0, 0) if record.code is None else lanes(record.code)
    state.seq[i], state.rows[i], state.nbytes[i] = record.seq, record.rows, record.nbytes
    state.made_at[i], state.pinned[i] = record.made_at, record.pinned
    if not record.reads >= 0:
        return
    state.reads[i] = record.reads
    digests = np.frombuffer(record.inputs, np.uint64).reshape(-1, 2)
    both = min(len(digests), state.inputs.shape[1])
    state.inputs[i] = 0
    state.inputs[i, :both] = digests[:both]


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
        look.found.hands[present.node, present.key] = present
        return
    seen.record = replace(
        same, identity=present.identity, sha256=present.sha256, nbytes=present.nbytes, how="adopted"
    )
    seen.condition = Condition.GOOD
    look.found.news.append(seen.record)


def _content(dataset: Dataset, path: Path) -> str:
    return format_of(dataset).fingerprint(path)


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
