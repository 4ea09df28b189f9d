"""Makes a metastore anew from the footers of the files and from the journal.

Knows nothing of plans or of tasks' code. If the footer of a file and the journal both have a record
of it, the journal's is the later one: it was written after the file was made. Requires: the lease
is held.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.graph import Graph
from partflow.errors import MetastoreError, UsageError
from partflow.metastore.journal import Journal, read_journal
from partflow.metastore.protocol import Mending
from partflow.metastore.record import Known, Record
from partflow.store.identity import FileIdentity
from partflow.store.protocol import Store, file_of
from partflow.warehouse.footers import FileLook, carries_lineage, look_at

_SIDE_BY_SIDE = 4


@dataclass(frozen=True, slots=True)
class Unknown:
    """A dataset's file of which no record is found; a run will take it for changed outside."""

    node: str
    key: str
    problem: str


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild has recorded, as numbers of partitions: of tasks, sources and effects.

    `unknown` are files without a record. `unread` counts lines of the journal that could not be
    read. `aside` says where the old metastore is now; None if there was none. If `has_journal` is
    False, effects count as done for all that is due.
    """

    files: int
    sources: int
    effects: int
    unknown: tuple[Unknown, ...]
    unread: int
    has_journal: bool
    aside: str | None


@dataclass(slots=True)
class _Chain:
    """All records of one partition, each with the number of the record that it is later than."""

    records: list[tuple[int, Record]] = field(default_factory=list)

    def close(self, last: tuple[int, Record] | None) -> None:
        """Sort the records; that of the present file, `last`, is put at the end in any case."""
        self.records.sort(key=lambda pair: (pair[0], pair[1].made_at))
        if last is not None:
            self.records = [pair for pair in self.records if pair is not last]
            newest = self.records[-1][0] if self.records else 0
            self.records.append((max(newest, last[0]), last[1]))


def require_nothing_made(graph: Graph, store: Store, lost: str) -> None:
    """Raise MetastoreError if there is a journal, or a file that partflow made.

    `lost` says where the metastore would be in which they were recorded.
    """
    is_journaled = store.journaled() is not None
    remains = store.layout.journal if is_journaled else _first_made(graph, store)
    if remains is not None:
        left = store.layout.near(remains)
        raise MetastoreError(
            f"{lost} is lost, but not what partflow made, such as {left}; restore a backup of it, "
            "or let `partflow state rebuild` make it anew from the files and the journal"
        )


def rebuild(
    graph: Graph, store: Store, mending: Mending, due: Mapping[str, int], now_ns: int
) -> Rebuilt:
    """Put a new metastore into the place of what is there, which is kept aside.

    `due` gives for each effect one past its newest due ordinal.

    Raises:
        MetastoreError: what is there must not be moved, or the new metastore is held open.
        OSError: the disk refused a file.
    """
    journal = read_journal(store)
    chains, unknown = _chains(graph, store, journal or Journal(), now_ns)
    first, records = _numbered(store, chains)
    known = journal or Journal()
    effects = _effects(graph, journal, due)
    begun = [(*at, run) for at, run in known.begun.items()]
    # What calls were seen to touch is kept by run, so it never shows for a later run's file.
    aside = mending.made_anew(
        Known(records, first, known.codes, effects, begun, known.seen, known.noted)
    )
    current = [chain.records[-1][1].node for chain in chains.values()]
    tasks = {t.name for t in graph.tasks if t.is_effect}
    sources = {name for name, d in graph.datasets.items() if isinstance(d, Source)}
    return Rebuilt(
        files=sum(n not in tasks and n not in sources for n in current),
        sources=sum(n in sources for n in current),
        effects=sum(n in tasks for n in current),
        unknown=tuple(unknown),
        unread=0 if journal is None else journal.unread,
        has_journal=journal is not None,
        aside=aside,
    )


def _chains(
    graph: Graph, store: Store, journal: Journal, now_ns: int
) -> tuple[dict[tuple[str, str], _Chain], list[Unknown]]:
    """The records of each partition, and the files without a record."""
    chains: dict[tuple[str, str], _Chain] = {}
    lines: dict[tuple[str, str], list[tuple[int, Record]]] = {}
    for record in journal.records:
        order = max(record.seq - 1, record.read_seq)
        lines.setdefault((record.node, record.key), []).append((order, record))
    for at, known in lines.items():
        chains[at] = _Chain(list(known))
    unknown: list[Unknown] = []
    last: dict[tuple[str, str], tuple[int, Record]] = {}
    for dataset, key, file_look, is_kept in _looked(graph, store, now_ns):
        at = dataset.name, key
        same_bytes = [pair for pair in lines.get(at, ()) if pair[1].sha256 == file_look.sha256]
        by_footer = (
            None if file_look.record is None else (file_look.record.read_seq, file_look.record)
        )
        if by_footer is not None:
            chains.setdefault(at, _Chain()).records.append(by_footer)
        if is_kept:
            continue
        if same_bytes:
            last[at] = same_bytes[-1]
            _identify(chains[at], last, at, file_look)
        elif by_footer is not None:
            last[at] = by_footer
        else:
            unknown.append(Unknown(*at, file_look.problem))
    for at, chain in chains.items():
        chain.close(last.get(at))
    return chains, unknown


def _identify(
    chain: _Chain,
    last: dict[tuple[str, str], tuple[int, Record]],
    at: tuple[str, str],
    file_look: FileLook,
) -> None:
    """Give the record of a file its present identity: the file may have been copied since."""
    order, record = last[at]
    last[at] = order, replace(record, identity=file_look.identity)
    chain.records = [pair for pair in chain.records if pair[1] is not record] + [last[at]]


def _looked(
    graph: Graph, store: Store, now_ns: int
) -> Iterator[tuple[Dataset, str, FileLook, bool]]:
    """Look at the files of every dataset that a task makes, and then at those in its history.

    The last value says whether the file is from the history.
    """

    def look(place: _Place) -> FileLook | None:
        return look_at(place.dataset, place.key, place.path, place.identity)

    past = _past(store)
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        for dataset in graph.datasets.values():
            if isinstance(dataset, Source):
                continue
            places = [*_present(store, dataset, now_ns)]
            places += [
                _Place(dataset, key, path, is_kept=True)
                for key in past.get(dataset.name, ())
                if _is_key(dataset, key)
                for path in store.kept(dataset.name, key).values()
            ]
            for place, file_look in zip(places, pool.map(look, places), strict=True):
                if file_look is not None:
                    yield dataset, place.key, file_look, place.is_kept


@dataclass(frozen=True, slots=True)
class _Place:
    """A file to be looked at, with its partition, and its identity if that proves anything."""

    dataset: Dataset
    key: str
    path: Path
    identity: FileIdentity | None = None
    is_kept: bool = False


def _present(store: Store, dataset: Dataset, now_ns: int) -> Iterator[_Place]:
    """The present files of a dataset."""
    files = list(_files(store, dataset))
    rows = store.identities(dataset, [key for key, _ in files]).tolist()
    for (key, path), row in zip(files, rows, strict=True):
        identity = FileIdentity(*row)
        yield _Place(dataset, key, path, identity if store.is_proof(identity, now_ns) else None)


def _files(store: Store, dataset: Dataset) -> Iterator[tuple[str, Path]]:
    """The key and file of each partition of a dataset that is there; other files are left out."""
    keys = [dataset.grain.key(0)]
    if dataset.column is not None:
        keys = sorted(key for key in store.keys(dataset) if _is_key(dataset, key))
    for key in keys:
        path = file_of(store, dataset, key)
        if path.is_file():
            yield key, path


def _past(store: Store) -> dict[str, list[str]]:
    """For each dataset the keys that have files in the history."""
    past: dict[str, list[str]] = {}
    for name, key in store.histories():
        past.setdefault(name, []).append(key)
    return past


def _is_key(dataset: Dataset, key: str) -> bool:
    try:
        return dataset.grain.key(dataset.grain.ordinal(key)) == key
    except UsageError:
        return False


def _first_made(graph: Graph, store: Store) -> Path | None:
    """A file that partflow made; only the first file of each dataset is opened."""
    for dataset in graph.datasets.values():
        if not isinstance(dataset, Source):
            path = next((path for _, path in _files(store, dataset)), None)
            if path is not None and carries_lineage(path):
                return path
    return None


def _numbered(store: Store, chains: Mapping[tuple[str, str], _Chain]) -> tuple[int, list[Record]]:
    """All records in a possible order of their making, and the new number of the first one.

    A record with `read_seq` q was made after all records up to number q. The new numbers continue
    after those in use, so that files in the history keep their order. Each `read_seq` is translated
    to the new numbers.
    """
    pairs = sorted(
        (pair for chain in chains.values() for pair in chain.records),
        key=lambda pair: (pair[0], pair[1].made_at),
    )
    orders = [order for order, _ in pairs]
    used = [max(order, record.seq) for order, record in pairs]
    used += [number for place in store.histories() for number in store.kept(*place)]
    first = max(used, default=0) + 1
    return first, [
        replace(record, read_seq=first - 1 + bisect_left(orders, record.read_seq))
        for _, record in pairs
    ]


def _effects(graph: Graph, journal: Journal | None, due: Mapping[str, int]) -> dict[str, int]:
    """For each effect the ordinal from which on it is done without being asked for.

    If the journal has none, it is that of the effect's last completion. Without a journal nobody
    knows what was done; so nothing that is due already is done again.
    """
    if journal is None:
        return dict(due)
    since = dict(journal.effects)
    for name in due.keys() - since.keys():
        starts = [r.start for r in journal.records if r.node == name and r.how == "done"]
        if starts:
            since[name] = graph.task(name).grain.ordinal_at(max(starts))
    return since
