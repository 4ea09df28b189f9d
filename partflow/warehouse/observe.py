"""Compares what is recorded with the files that are there: the snapshot that a plan is made from.

Knows nothing of plans. Looking never writes: what is found is given back to be recorded by a run.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.dataset import Dataset
from partflow.declarations.graph import Graph
from partflow.errors import ReadError, UsageError
from partflow.formats.copies import pack
from partflow.formats.fingerprint import file_digest
from partflow.formats.format import Contents
from partflow.formats.known import AS_FILE, format_of, way_of
from partflow.formats.schemas import instances, schema_known
from partflow.formats.unreadable import REPLACE, unreadable
from partflow.formats.variety import columns_left_out, types_varied
from partflow.metastore.columncache import ColumnCache
from partflow.metastore.columns import Columns
from partflow.metastore.journal import require_not_older
from partflow.metastore.protocol import CodesAndEffects, Metastore
from partflow.metastore.record import Record
from partflow.partitions.calendar import Grain
from partflow.planning.digests import lanes
from partflow.planning.planner import horizon_of
from partflow.planning.snapshot import (
    Condition,
    DatasetState,
    LeftOut,
    Snapshot,
    Unreadable,
    Varied,
    empty_state,
)
from partflow.process.muffling import muffled
from partflow.store.identity import FileIdentity
from partflow.store.protocol import Looked, Store, file_of
from partflow.warehouse.footers import record_in
from partflow.warehouse.handover import SMALL, AsRead, HandOver
from partflow.warehouse.verify import Verify

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    _Places = slice | NDArray[np.int64]
    """Where in a stretch records stand: one after the other, or each at its place."""

_AS_RECORDED = (
    "content", "code", "reads", "made_at", "seq", "rows", "nbytes", "failed", "pinned"
)  # fmt: skip


@dataclass(slots=True)
class Observed:
    """A snapshot, and what was found that is not recorded yet.

    `news` are new contents (of sources; adopted files), `touched` files with other times or inodes
    and the content that they had, `problems` says by (dataset, key) why a file cannot be read,
    and is what the snapshot has as `unreadable`; so are `varied` and `left_out`.
    `hands` are tasks' files that somebody changed, as they are now, beside what was made;
    `replaced` are sources' files, by (dataset, key), that hold other values than were recorded.
    `versions` are those of the metastore that was looked at, `stats` what stat said of the files of
    each source that was looked at, shape (n, 4), -1 where there is none.
    """

    snapshot: Snapshot
    news: list[Record] = field(default_factory=list)
    touched: list[Record] = field(default_factory=list)
    problems: dict[tuple[str, str], Unreadable] = field(default_factory=dict)
    varied: list[Varied] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    hands: dict[tuple[str, str], Record] = field(default_factory=dict)
    replaced: set[tuple[str, str]] = field(default_factory=set)
    versions: tuple[str, dict[str, int]] = ("", {})
    stats: dict[str, NDArray[np.int64]] = field(default_factory=dict)

    def is_of(self, metastore: Metastore) -> bool:
        """Whether nothing was recorded since, so that to look again would show the same record."""
        known = self.snapshot.version == metastore.seq and self.versions == metastore.versions()
        return known and self.snapshot.effects_since == metastore.effects()

    @property
    def is_unsettled(self) -> bool:
        """Whether a file was so young that its stat proves nothing: a moment later it does."""
        return any(r.identity and r.identity.is_unproven for r in (*self.news, *self.touched))


@dataclass(slots=True)
class _Look:
    """What looking needs: where things lie, and the time."""

    metastore: Metastore
    store: Store
    now_ns: int
    verify: Verify
    found: Observed
    stats: Looked
    frames: HandOver | None = None
    as_files: set[str] = field(default_factory=set)
    """The sources whose readers take their files as they are, whatever is in them."""


@dataclass(slots=True)
class _Stretch:
    """Ordinals `[lo, hi)` of a grain: when they begin and what they are called.

    Most datasets of a warehouse share theirs.
    """

    grain: Grain
    lo: int
    hi: int
    edges: NDArray[np.int64] = field(init=False)
    keys: NDArray[np.bytes_] = field(init=False)
    _written: list[bytes] | None = None

    def __post_init__(self) -> None:
        self.edges = self.grain.edges(self.lo, self.hi)
        self.keys = self.grain.written(self.lo, self.hi).astype(np.bytes_)

    def __len__(self) -> int:
        return self.hi - self.lo

    @property
    def written(self) -> list[bytes]:
        """The keys, one by one: as paths are."""
        if self._written is None:
            self._written = self.keys.tolist()
        return self._written

    def text(self, i: int) -> str:
        """The key of the partition at a place."""
        return bytes(self.keys[i]).decode()


class _Stretches:
    """The stretches that were needed so far, each once."""

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[str, ...], int, int], _Stretch] = {}

    def over(self, grain: Grain, lo: int, hi: int) -> _Stretch:
        """The stretch `[lo, hi)`; an empty one if `hi` is not later."""
        key = (grain.signature, lo, hi)
        if key not in self._known:
            self._known[key] = _Stretch(grain, lo, max(lo, hi))
        return self._known[key]


def observe(  # noqa: PLR0913, PLR0917 - what there is, and how it is looked at
    graph: Graph,
    codes: Mapping[str, str],
    metastore: Metastore,
    store: Store,
    now_ns: int,
    verify: Verify = Verify.STAT,
    frames: HandOver | None = None,
    only: Collection[str] | None = None,
) -> Observed:
    """Look at datasets' files, or at those `only`; `codes` are the tasks' present fingerprints.

    Of the other datasets what is recorded is taken for what is there.
    What is read of sources is left in `frames`, for the tasks that are to read it. Raises
    MetastoreError for a metastore that is older than the journal beside it.
    """
    require_not_older(metastore, store)
    now = now_ns // 1_000_000_000
    states: dict[str, DatasetState] = {}
    problems: dict[tuple[str, str], Unreadable] = {}
    varied: list[Varied] = []
    left_out: list[LeftOut] = []
    snapshot = Snapshot(
        now, states, codes, metastore.effects(), metastore.seq,
        unreadable=problems, newest_at=metastore.newest_at(), varied=varied,
        left_out=left_out,
    )  # fmt: skip
    found = Observed(
        snapshot, problems=problems, varied=varied, left_out=left_out, versions=metastore.versions()
    )
    cache, stretches = ColumnCache(metastore, store.layout.columns), _Stretches()
    over = {
        n: stretches.over(d.grain, graph.dataset_extents[n].lo, horizon_of(graph, n, now))
        for n, d in graph.datasets.items()
    }
    seen = graph.datasets.keys() & (graph.datasets if only is None else only)
    stated = seen if verify is not Verify.RECORD else set()
    lots = {n: (d, over[n].written) for n, d in graph.datasets.items() if n in stated}
    with store.look(lots) as stats:
        look = _Look(metastore, store, now_ns, verify, found, stats, frames)
        for name, dataset in graph.datasets.items():
            reads = max((len(t.inputs) for t in graph.writers(name)), default=0)
            columns, at = _placed(cache.load(name, identities=name in stated), over[name])
            states[name] = state = _state(columns, at, over[name], reads)
            if name in seen:
                recorded = _recorded(columns, at, len(over[name]))
                if dataset.is_source and graph.is_taken_as_files(name):
                    look.as_files.add(name)
                older = _read_by_older_rules(look, dataset, columns, at, len(over[name]))
                _compare(look, dataset, state, over[name], recorded, older)
                _say_how_files_differ(look, dataset, state, over[name])
    for task in graph.tasks:
        if task.is_effect:
            lo, hi = graph.task_extents[task.name].lo, horizon_of(graph, task.name, now)
            stretch = stretches.over(task.grain, lo, hi)
            columns, at = _placed(cache.load(task.name, identities=False), stretch)
            states[task.name] = _state(columns, at, stretch, len(task.inputs))
    return found


def effects_cut_off(
    graph: Graph, metastore: CodesAndEffects, is_held: Callable[[str], bool]
) -> dict[str, dict[int, str]]:
    """For each effect the ordinals that a run began and did not end, each with that run.

    `is_held` says whether a run has its lease: what a living one is at is left out.
    """
    grains = {task.name: task.grain for task in graph.tasks if task.is_effect}
    found: dict[str, dict[int, str]] = {}
    for node, key, run in metastore.begun():
        if node in grains and not is_held(run):
            with suppress(UsageError):  # a key of the grain that it had before
                found.setdefault(node, {})[grains[node].ordinal(key)] = run
    return found


def _placed(columns: Columns, stretch: _Stretch) -> tuple[Columns, _Places]:
    """The records of partitions of a stretch, and where in it they stand.

    What was recorded of another grain is left out: its keys or its starts are not those of now.
    """
    first, last = np.searchsorted(columns.start, stretch.edges[[0, -1]]).tolist()
    if first >= last:
        return columns.taken(slice(0, 0)), slice(0, 0)
    if (first, last) != (0, len(columns)):
        columns = columns.taken(slice(first, last))
    begin = int(np.searchsorted(stretch.edges, columns.start[0]))
    here = slice(begin, begin + len(columns))  # where they stand if none is absent among them
    same_starts = np.array_equal(stretch.edges[:-1][here], columns.start)
    if same_starts and np.array_equal(stretch.keys[here], columns.key):
        return columns, here
    at = stretch.grain.ordinals_at(columns.start) - stretch.lo
    safe = np.clip(at, 0, len(stretch) - 1)
    same = (stretch.keys[safe] == columns.key) & (stretch.edges[safe] == columns.start)
    return columns.taken(same), at[same]


def _state(columns: Columns, at: _Places, stretch: _Stretch, reads: int) -> DatasetState:
    """The records as arrays over a stretch, each file taken to be as recorded."""
    n, recorded = len(stretch), {name: getattr(columns, name) for name in _AS_RECORDED}
    if isinstance(at, slice) and len(columns) == n:
        good = np.full(n, Condition.GOOD, np.uint8)
        return DatasetState(stretch.lo, good, inputs=columns.digests(reads), **recorded)
    found = empty_state(stretch.lo, n, reads)
    found.condition[at] = Condition.GOOD
    for name, column in recorded.items():
        getattr(found, name)[at] = column
    found.inputs[at] = columns.digests(reads)
    return found


def _recorded(columns: Columns, at: _Places, n: int) -> NDArray[np.int64]:
    """What was recorded of each file's stat, shape (n, 4); -1 where nothing was, or was loaded."""
    if isinstance(at, slice) and len(columns.identity) == n:
        return columns.identity
    found = np.full((n, 4), -1, np.int64)
    if len(columns.identity):
        found[at] = columns.identity
    return found


def _read_by_older_rules(
    look: _Look, dataset: Dataset, columns: Columns, at: _Places, n: int
) -> NDArray[np.bool_]:
    """Which files of text were read by older rules than those of now: they are read once more.

    So is what was taken as it is, if somebody is to get its rows now.
    """
    found = np.zeros(n, np.bool_)
    found[at] = columns.rules < format_of(dataset).rules
    if dataset.name in look.as_files:
        found[at] &= columns.rules != AS_FILE
    return found


@dataclass(slots=True)
class _Seen:
    """A record and how its file stands beside it."""

    record: Record
    condition: Condition


def _compare(
    look: _Look,
    dataset: Dataset,
    state: DatasetState,
    stretch: _Stretch,
    recorded: NDArray[np.int64],
    older: NDArray[np.bool_],
) -> None:
    """Set the conditions by the files; those that are as recorded cost one stat each."""
    known = state.seq > 0
    if look.verify is Verify.RECORD:
        # What is recorded is trusted; only a source can have brought something new.
        asked = np.flatnonzero(~known | older) if dataset.is_source else np.zeros(0, np.int64)
        if not len(asked):
            return
        found = recorded.copy()
        found[asked] = look.store.identities(dataset, [stretch.text(i) for i in asked.tolist()])
        differs = (~known | older) & (found[:, 0] >= 0)
    else:
        found = look.stats.of(dataset.name)
        if dataset.is_source:
            look.found.stats[dataset.name] = found
        if look.verify is Verify.STAT and not older.any() and np.array_equal(found, recorded):
            return
        there = found[:, 0] >= 0
        state.condition[~there] = np.where(known[~there], Condition.GONE, Condition.ABSENT)
        moved = (found != recorded).any(axis=1)
        differs = there & (moved | older | (look.verify is Verify.CONTENT))
    for i in np.flatnonzero(differs).tolist():
        key = stretch.text(i)
        fresh = Record(dataset.name, key, int(stretch.edges[i]))
        records = look.metastore.records(dataset.name, key) if known[i] else [fresh]
        seen = _Seen((records or [fresh])[0], Condition.GOOD)
        _look_closer(look, dataset, seen, FileIdentity(*found[i].tolist()))
        _entered(state, i, seen)


def _say_how_files_differ(
    look: _Look, dataset: Dataset, state: DatasetState, stretch: _Stretch
) -> None:
    """Note what files of a source do not have in common, by what is recorded and what is new."""
    if not (dataset.is_source and dataset.stored_as.is_table):
        return
    name, schema = dataset.name, instances(dataset.schema or {})
    news = {r.key: r.schema for r in (*look.found.news, *look.found.touched) if r.node == name}
    texts = {text for text in (*look.metastore.schemas(name).values(), *news.values()) if text}
    known = [schema_known(text) or {} for text in texts]
    if len(texts) < 2 and not any(set(each) - set(schema) for each in known if schema):  # noqa: PLR2004
        return
    good = np.flatnonzero((state.condition == Condition.GOOD) & (state.rows > 0)).tolist()
    held: dict[str, str] = {}
    if len(texts) == 1 and good:
        held = {texts.pop(): stretch.text(good[0])}
    elif good:
        recorded = look.metastore.shapes(name)
        for i in good:
            key = stretch.text(i)
            held.setdefault(news.get(key) or recorded.get(key, ("",))[0], key)
    held.pop("", None)
    files = [(key, types) for text, key in held.items() if (types := schema_known(text))]
    if schema:
        look.found.left_out += columns_left_out(name, files, schema)
    else:
        look.found.varied += types_varied(
            name,
            files,
            is_text=dataset.stored_as.is_text,
            may_lack=dataset.stored_as.may_lack_columns,
        )


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
    path, form = file_of(look.store, dataset, record.key), format_of(dataset)
    try:
        if dataset.name not in look.as_files:
            form.require_likely(path)
        sha256, size = file_digest(path)
        is_proof = look.store.is_proof(found, look.now_ns)
        trusted = found if is_proof else FileIdentity.unproven(size)
        if record.seq and sha256 == record.sha256 and _is_by_rules(look, dataset, record.rules):
            seen.condition = Condition.GOOD
            if found != record.identity:
                look.found.touched.append(replace(record, identity=trusted, sha256=sha256))
            return
        there, rules = _contents(look, dataset, path, found, sha256)
    except (ReadError, OSError) as error:
        if isinstance(error, PermissionError) and not dataset.is_source:
            raise  # a file of our own that may not be read is not damaged, and not to be made again
        seen.condition = Condition.DAMAGED
        look.found.problems[dataset.name, record.key] = _said(look.store, dataset, path, error)
        return
    present = replace(
        record,
        content=there.content,
        sha256=sha256,
        identity=trusted,
        nbytes=size,
        rules=rules,
        schema=there.schema,
    )
    if record.seq and there.content == record.content:
        seen.condition = Condition.GOOD
        look.found.touched.append(present)
    elif dataset.is_source:
        made_at = look.now_ns // 1_000_000_000
        seen.record = replace(
            present, how="observed", made_at=made_at, seq=1, run=None, rows=there.rows
        )
        seen.condition = Condition.GOOD
        look.found.news.append(seen.record)
        if record.seq:
            look.found.replaced.add((record.node, record.key))
    else:
        _adopt(look, dataset, seen, present)


def _said(store: Store, dataset: Dataset, path: Path, error: ReadError | OSError) -> Unreadable:
    """Why a file cannot be read, without saying twice which or that it cannot."""
    said = error if isinstance(error, ReadError) else unreadable(path, error)
    reason, advice = said.problem.removeprefix("cannot be read: "), said.advice
    reason = reason.replace(f"{store.layout.root}/", "")
    if dataset.is_source and advice == REPLACE:
        advice = f"have it delivered again, or mend the declaration at {dataset.place}"
    return Unreadable(str(store.layout.near(path)), reason, advice)


def _adopt(look: _Look, dataset: Dataset, seen: _Seen, present: Record) -> None:
    """A task's file with other values: one of this partition's own past, or somebody's hand.

    Its past may have been forgotten, by a metastore that was restored: then its footer tells.
    """
    past = look.metastore.history(present.node, present.key)
    same = next((r for r in past if r.content == present.content), None)
    same = same or _made_since(look, dataset, present)
    if same is None:
        seen.condition = Condition.CHANGED
        look.found.hands[present.node, present.key] = present
        return
    seen.record = replace(
        same, identity=present.identity, sha256=present.sha256, nbytes=present.nbytes,
        schema=present.schema, how="adopted",
    )  # fmt: skip
    seen.condition = Condition.GOOD
    look.found.news.append(seen.record)


def _made_since(look: _Look, dataset: Dataset, present: Record) -> Record | None:
    """The record in a footer, if it is of a later making than what is recorded.

    Without any record nothing is taken from a footer: that is for a rebuild to do.
    """
    if not present.seq:
        return None
    found = record_in(dataset, present.key, file_of(look.store, dataset, present.key))
    later = found is not None and found.made_at >= present.made_at and found.run != present.run
    return found if later and found and found.content == present.content else None


def _is_by_rules(look: _Look, dataset: Dataset, rules: int) -> bool:
    """Whether what was read by these rules is as the rules of now would have it."""
    is_as_file = rules == AS_FILE and dataset.name in look.as_files
    return is_as_file or rules >= format_of(dataset).rules


def _contents(
    look: _Look, dataset: Dataset, path: Path, found: FileIdentity, sha256: str
) -> tuple[Contents, int]:
    """What is in a file, and by which rules. A small source's rows are kept for their readers.

    A file that cannot be read, and that nobody wants to have read, is its bytes.
    """
    form, as_file = format_of(dataset), dataset.name in look.as_files
    try:
        if as_file:
            form.require_likely(path)
        with muffled():
            there = form.contents(path, is_small=found.size <= SMALL)
            if there.frame is not None:
                _keep(look, dataset, path, found, there.frame)
            return there, form.rules
    except ReadError:
        if not as_file:
            raise
        return Contents(f"bytes:{sha256[:32]}", 0, ""), AS_FILE


def _keep(
    look: _Look, dataset: Dataset, path: Path, found: FileIdentity, frame: pl.DataFrame
) -> None:
    """Keep the rows of a small file for those that would read it as this source declares."""
    frames = look.frames
    if frames is None or found.size > SMALL or not look.store.is_proof(found, look.now_ns):
        return
    packed = pack(frame) if frames.wants(frame) else None
    if packed is not None:
        identity = (found.size, found.mtime_ns, found.inode)
        frames.keep(AsRead(str(path), way_of(dataset)), identity, packed, found.ctime_ns)
