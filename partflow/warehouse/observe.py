"""Compares the record with the files that are there, and gives the snapshot that a plan needs.

Knows nothing of plans. Looking never writes: what is new is returned, and a run records it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.graph import Graph
from partflow.errors import UsageError
from partflow.formats.known import AS_FILE, format_of
from partflow.formats.schemas import instances, schema_known
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
    FolderLost,
    LeftOut,
    Snapshot,
    Unreadable,
    Varied,
    empty_state,
)
from partflow.store.identity import FileIdentity
from partflow.store.protocol import Store, file_of
from partflow.warehouse.closerlook import ReadAhead, read_ahead
from partflow.warehouse.filelook import LookAtFiles, Observed, SeenFile, look_closer
from partflow.warehouse.givingup import give_up, given_up
from partflow.warehouse.handover import HandOver
from partflow.warehouse.verify import Verify
from partflow.warehouse.wholefiles import identities_of_whole, without_unsettled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    _Places = slice | NDArray[np.int64]
    """The positions of records in a stretch: a slice if they are neighbours, else one each."""

_AS_RECORDED = (
    "content", "code", "reads", "made_at", "seq", "rows", "nbytes", "failed", "pinned"
)  # fmt: skip


_TOGETHER = 64
"""How many files are looked at closer at a time."""


@dataclass(slots=True)
class _Stretch:
    """The ordinals `[lo, hi)` of a grain, with the n + 1 edges of their intervals and n keys.

    Most datasets of a warehouse share their stretch.
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
        """The keys as a list of bytes, which paths are made of."""
        if self._written is None:
            self._written = self.keys.tolist()
        return self._written

    def text(self, i: int) -> str:
        """The key of the `i`-th partition of the stretch."""
        return bytes(self.keys[i]).decode()


class _Stretches:
    """The stretches that were asked for so far, each made once."""

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
    *,
    may_give_up: bool = True,
) -> Observed:
    """Look at the files of all datasets, or only of those named in `only`.

    Of the other datasets the record is trusted. `codes` are the tasks' present code fingerprints,
    `now_ns` is in nanoseconds since 1970. Frames of small sources that were read are kept in
    `frames`, for the tasks that will read them. Without `may_give_up` nothing is given up.

    Raises:
        MetastoreError: the metastore is older than the journal beside it.
        PermissionError: a file that a task made may not be read.
    """
    require_not_older(metastore, store)
    now = now_ns // 1_000_000_000
    states: dict[str, DatasetState] = {}
    observed = _nothing_seen(states, codes, metastore, now)
    cache, stretches = ColumnCache(metastore, store.layout.columns), _Stretches()
    stretch_of = {
        n: stretches.over(d.grain, graph.dataset_extents[n].lo, horizon_of(graph, n, now))
        for n, d in graph.datasets.items()
    }
    looked_at = graph.datasets.keys() & (graph.datasets if only is None else only)
    statted = looked_at if verify is not Verify.RECORD else set()
    keys_by_name = {
        n: (d, stretch_of[n].written) for n, d in graph.datasets.items() if n in statted
    }
    with store.look(keys_by_name) as stats:
        look = LookAtFiles(metastore, store, now_ns, verify, observed, stats, frames)
        for name, dataset in graph.datasets.items():
            reads = max((len(t.inputs) for t in graph.writers(name)), default=0)
            columns, at = _placed(cache.load(name, identities=name in statted), stretch_of[name])
            states[name] = state = _state(columns, at, stretch_of[name], reads)
            if dataset.is_source:
                state.condition[given_up(state)] = Condition.GIVEN_UP
            if name in looked_at:
                recorded = _recorded(columns, at, len(stretch_of[name]))
                if dataset.is_source and graph.is_taken_as_files(name):
                    look.as_files.add(name)
                older = _read_by_older_rules(look, dataset, columns, at, len(stretch_of[name]))
                _compare(look, dataset, state, stretch_of[name], recorded, older)
                _say_how_files_differ(look, dataset, state, stretch_of[name])
                if isinstance(dataset, Source):
                    give_up(store, dataset, state, observed, may_give_up=may_give_up)
    for task in graph.tasks:
        if task.is_effect:
            lo, hi = graph.task_extents[task.name].lo, horizon_of(graph, task.name, now)
            stretch = stretches.over(task.grain, lo, hi)
            columns, at = _placed(cache.load(task.name, identities=False), stretch)
            states[task.name] = _state(columns, at, stretch, len(task.inputs))
    return observed


def _nothing_seen(
    states: dict[str, DatasetState], codes: Mapping[str, str], metastore: Metastore, now: int
) -> Observed:
    """What is observed before the first file is looked at; `states` are those it will be of."""
    problems: dict[tuple[str, str], Unreadable] = {}
    varied: list[Varied] = []
    left_out: list[LeftOut] = []
    lost: dict[str, FolderLost] = {}
    snapshot = Snapshot(
        now, states, codes, metastore.effects(), metastore.seq,
        unreadable=problems, newest_at=metastore.newest_at(), varied=varied,
        left_out=left_out, lost=lost,
    )  # fmt: skip
    return Observed(
        snapshot, problems=problems, varied=varied, left_out=left_out, lost=lost,
        versions=metastore.versions(),
    )  # fmt: skip


def effects_cut_off(
    graph: Graph, metastore: CodesAndEffects, is_held: Callable[[str], bool]
) -> dict[str, dict[int, str]]:
    """For each effect the ordinals that a dead run began and did not end, each with that run.

    `is_held` says whether a run still holds its lease, and so may yet end what it began.
    """
    grains = {task.name: task.grain for task in graph.tasks if task.is_effect}
    cut_off: dict[str, dict[int, str]] = {}
    for node, key, run in metastore.begun():
        if node in grains and not is_held(run):
            with suppress(UsageError):  # A key of the grain that the effect had before.
                cut_off.setdefault(node, {})[grains[node].ordinal(key)] = run
    return cut_off


def _placed(columns: Columns, stretch: _Stretch) -> tuple[Columns, _Places]:
    """The records that belong to a stretch, and their positions in it.

    Records of another grain, which have other keys or other starts, are left out.
    """
    first, last = np.searchsorted(columns.start, stretch.edges[[0, -1]]).tolist()
    if first >= last:
        return columns.taken(slice(0, 0)), slice(0, 0)
    if (first, last) != (0, len(columns)):
        columns = columns.taken(slice(first, last))
    begin = int(np.searchsorted(stretch.edges, columns.start[0]))
    here = slice(begin, begin + len(columns))  # Their positions, if none is missing among them.
    same_starts = np.array_equal(stretch.edges[:-1][here], columns.start)
    if same_starts and np.array_equal(stretch.keys[here], columns.key):
        return columns, here
    at = stretch.grain.ordinals_at(columns.start) - stretch.lo
    safe = np.clip(at, 0, len(stretch) - 1)
    same = (stretch.keys[safe] == columns.key) & (stretch.edges[safe] == columns.start)
    return columns.taken(same), at[same]


def _state(columns: Columns, at: _Places, stretch: _Stretch, reads: int) -> DatasetState:
    """The records as arrays over a stretch; each file is taken to be as it is recorded."""
    n, recorded = len(stretch), {name: getattr(columns, name) for name in _AS_RECORDED}
    if isinstance(at, slice) and len(columns) == n:
        good = np.full(n, Condition.GOOD, np.uint8)
        return DatasetState(stretch.lo, good, inputs=columns.digests(reads), **recorded)
    state = empty_state(stretch.lo, n, reads)
    state.condition[at] = Condition.GOOD
    for name, column in recorded.items():
        getattr(state, name)[at] = column
    state.inputs[at] = columns.digests(reads)
    return state


def _recorded(columns: Columns, at: _Places, n: int) -> NDArray[np.int64]:
    """The recorded identity of each file, shape (n, 4); -1 where none is recorded or loaded."""
    if isinstance(at, slice) and len(columns.identity) == n:
        return columns.identity
    identities = np.full((n, 4), -1, np.int64)
    if len(columns.identity):
        identities[at] = columns.identity
    return identities


def _read_by_older_rules(
    look: LookAtFiles, dataset: Dataset, columns: Columns, at: _Places, n: int
) -> NDArray[np.bool_]:
    """Which files were read by older rules than the present ones, and have to be read once more.

    So has a file that was taken as it is, if some task reads its rows now.
    """
    is_older = np.zeros(n, np.bool_)
    is_older[at] = columns.rules < format_of(dataset).rules
    if dataset.name in look.as_files:
        is_older[at] &= columns.rules != AS_FILE
    return is_older


def _compare(
    look: LookAtFiles,
    dataset: Dataset,
    state: DatasetState,
    stretch: _Stretch,
    recorded: NDArray[np.int64],
    older: NDArray[np.bool_],
) -> None:
    """Set the conditions of a dataset's partitions by their files.

    A file whose stat is the recorded one costs no more than that stat. `recorded` are the recorded
    identities, `older` marks files that were read by older rules.
    """
    known, was_given_up = state.seq > 0, state.condition == Condition.GIVEN_UP
    if look.verify is Verify.RECORD:
        # The record is trusted; but files of a source can have come that it does not have.
        new = ~known | older | was_given_up
        to_look_at = np.flatnonzero(new) if dataset.is_source else np.zeros(0, np.int64)
        if not len(to_look_at):
            return
        present = recorded.copy()
        present[to_look_at] = identities_of_whole(
            look.store, dataset, [stretch.text(i) for i in to_look_at.tolist()], look.now_ns
        )
        differs = new & (present[:, 0] >= 0)
    else:
        present = look.stats.of(dataset.name)
        present = without_unsettled(look.store, dataset, present, look.now_ns)
        look.observed.stats[dataset.name] = present
        if look.verify is Verify.STAT and not older.any() and np.array_equal(present, recorded):
            return
        there = present[:, 0] >= 0
        gone = np.where(was_given_up, Condition.GIVEN_UP, Condition.GONE)
        state.condition[~there] = np.where(known, gone, Condition.ABSENT)[~there]
        moved = (present != recorded).any(axis=1)
        differs = there & (moved | older | (look.verify is Verify.CONTENT))
    places = np.flatnonzero(differs).tolist()
    for n in range(0, len(places), _TOGETHER):
        group = {i: stretch.text(i) for i in places[n : n + _TOGETHER]}
        sizes = {group[i]: int(present[i, 0]) for i in group if not known[i]}
        look.ahead = _ahead(look, dataset, sizes)
        for i, key in group.items():
            fresh = Record(dataset.name, key, int(stretch.edges[i]))
            records = look.metastore.records(dataset.name, key) if known[i] else [fresh]
            seen = SeenFile((records or [fresh])[0], Condition.GOOD)
            look_closer(look, dataset, seen, FileIdentity(*present[i].tolist()))
            _entered(state, i, seen)


def _ahead(look: LookAtFiles, dataset: Dataset, new: Mapping[str, int]) -> Mapping[Path, ReadAhead]:
    """What is in new files of a source, by path, as far as several are read at a time.

    `new` has their sizes by key. Of known files the digest mostly tells enough.
    """
    if not dataset.is_source or dataset.has_several_files or dataset.name in look.as_files:
        return {}
    return read_ahead(
        dataset, {file_of(look.store, dataset, key): size for key, size in new.items()}
    )


def _say_how_files_differ(
    look: LookAtFiles, dataset: Dataset, state: DatasetState, stretch: _Stretch
) -> None:
    """Note how the schemas of a source's files differ, both those recorded and those new."""
    if not (dataset.is_source and dataset.stored_as.is_table):
        return
    name, schema = dataset.name, instances(dataset.schema or {})
    news = {
        r.key: r.schema for r in (*look.observed.news, *look.observed.touched) if r.node == name
    }
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
        look.observed.left_out += columns_left_out(name, files, schema)
    else:
        look.observed.varied += types_varied(
            name,
            files,
            is_text=dataset.stored_as.is_text,
            may_lack=dataset.stored_as.may_lack_columns,
        )


def _entered(state: DatasetState, i: int, seen: SeenFile) -> None:
    """Put what a closer look has seen into the arrays, at position `i`."""
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
