"""Makes a metastore anew from the footers of the files and from the journal.

Knows nothing of plans or of tasks' code. Where footer and journal both speak of a file, the journal
is later: its lines are of what was recorded after the file was made. Requires: the lease is held.
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
from partflow.metastore.record import Known, Record
from partflow.metastore.sqlite.file import SIDES, require_file
from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.store.failpoints import failpoint
from partflow.store.identity import FileIdentity
from partflow.store.protocol import Store, file_of
from partflow.warehouse.footers import FileLook, carries_lineage, look_at

_SIDE_BY_SIDE = 4


@dataclass(frozen=True, slots=True)
class Unknown:
    """A file of a dataset that nothing ties to a making: a run will call it changed outside."""

    node: str
    key: str
    problem: str


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild came to, in partitions: of tasks, of sources, of effects.

    `unknown` are files that are left to a look; `unread` counts lines of the journal that are none;
    `aside` is where the old metastore lies now, if there was one; without a journal `has_journal`
    is False, and effects are taken to be done for all that is due.
    """

    files: int
    sources: int
    effects: int
    unknown: tuple[Unknown, ...]
    unread: int
    has_journal: bool
    aside: Path | None


@dataclass(slots=True)
class _Chain:
    """All that is known of one partition: records, each with the number that it is later than."""

    records: list[tuple[int, Record]] = field(default_factory=list)

    def close(self, last: tuple[int, Record] | None) -> None:
        """Bring it into order; what the present file was made by is the last, whatever it says."""
        self.records.sort(key=lambda one: (one[0], one[1].made_at))
        if last is not None:
            self.records = [one for one in self.records if one is not last]
            newest = self.records[-1][0] if self.records else 0
            self.records.append((max(newest, last[0]), last[1]))


def require_nothing_made(graph: Graph, store: Store, path: Path) -> None:
    """Raise MetastoreError if there are files that partflow made, or a journal of such."""
    is_journaled = store.journaled() is not None
    made = store.layout.journal if is_journaled else _first_made(graph, store)
    if made is not None:
        lost, left = store.layout.near(path), store.layout.near(made)
        raise MetastoreError(
            f"{lost} is lost, but not what partflow made, such as {left}; restore a backup of it, "
            "or let `partflow state rebuild` make it anew from the files and the journal"
        )


def rebuild(graph: Graph, store: Store, path: Path, due: Mapping[str, int], now_ns: int) -> Rebuilt:
    """Put a new metastore in the place of what is at `path`, which is moved aside.

    `due` gives for each effect one past its newest due ordinal.
    """
    require_file(path)
    journal = read_journal(store)
    chains, unknown = _chains(graph, store, journal or Journal(), now_ns)
    effects = _effects(graph, journal, due)
    new = path.with_suffix(".new")
    for side in SIDES:
        Path(f"{new}{side}").unlink(missing_ok=True)
    first, records = _numbered(store, chains)
    with SqliteMetastore.open(new, durable=store.durable) as metastore:
        said = journal or Journal()
        begun = [(*at, run) for at, run in said.begun.items()]
        # Of what a later run made without a sighting nothing is shown: its run is another.
        metastore.restore(Known(records, first, said.codes, effects, begun, said.seen))
        metastore.fold_in()
    aside = _put_in_place(store, new, path)
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
    """What is known of each partition, and the files of which nothing is."""
    chains: dict[tuple[str, str], _Chain] = {}
    lines: dict[tuple[str, str], list[tuple[int, Record]]] = {}
    for record in journal.records:
        order = max(record.seq - 1, record.read_seq)
        lines.setdefault((record.node, record.key), []).append((order, record))
    for at, known in lines.items():
        chains[at] = _Chain(list(known))
    unknown: list[Unknown] = []
    last: dict[tuple[str, str], tuple[int, Record]] = {}
    for dataset, key, found, is_kept in _looked(graph, store, now_ns):
        at = dataset.name, key
        same = [one for one in lines.get(at, ()) if one[1].sha256 == found.sha256]
        made = None if found.record is None else (found.record.read_seq, found.record)
        if made is not None:
            chains.setdefault(at, _Chain()).records.append(made)
        if is_kept:
            continue
        if same:
            last[at] = same[-1]
            _identify(chains[at], last, at, found)
        elif made is not None:
            last[at] = made
        else:
            unknown.append(Unknown(*at, found.problem))
    for at, chain in chains.items():
        chain.close(last.get(at))
    return chains, unknown


def _identify(
    chain: _Chain,
    last: dict[tuple[str, str], tuple[int, Record]],
    at: tuple[str, str],
    found: FileLook,
) -> None:
    """Let the record of a file carry the stat that the file has now: it may have been copied."""
    order, record = last[at]
    last[at] = order, replace(record, identity=found.identity)
    chain.records = [one for one in chain.records if one[1] is not record] + [last[at]]


def _looked(
    graph: Graph, store: Store, now_ns: int
) -> Iterator[tuple[Dataset, str, FileLook, bool]]:
    """Every file of every dataset that a task makes, then those in its history, each looked at."""

    def one(place: _Place) -> FileLook | None:
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
            for place, found in zip(places, pool.map(one, places), strict=True):
                if found is not None:
                    yield dataset, place.key, found, place.is_kept


@dataclass(frozen=True, slots=True)
class _Place:
    """A file to be looked at: of which partition, and its identity, if that proves anything."""

    dataset: Dataset
    key: str
    path: Path
    identity: FileIdentity | None = None
    is_kept: bool = False


def _present(store: Store, dataset: Dataset, now_ns: int) -> Iterator[_Place]:
    """The files that a dataset has now."""
    files = list(_files(store, dataset))
    rows = store.identities(dataset, [key for key, _ in files]).tolist()
    for (key, path), row in zip(files, rows, strict=True):
        found = FileIdentity(*row)
        yield _Place(dataset, key, path, found if store.is_proof(found, now_ns) else None)


def _files(store: Store, dataset: Dataset) -> Iterator[tuple[str, Path]]:
    """The key and the file of each partition of a dataset that is there; what is none is passed."""
    keys = [dataset.grain.key(0)]
    if dataset.column is not None:
        keys = sorted(key for key in store.keys(dataset) if _is_key(dataset, key))
    for key in keys:
        path = file_of(store, dataset, key)
        if path.is_file():
            yield key, path


def _past(store: Store) -> dict[str, list[str]]:
    """By dataset the keys of which something is kept."""
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
    """A file that partflow made: the first one of a dataset tells for all of it."""
    for dataset in graph.datasets.values():
        if not isinstance(dataset, Source):
            path = next((path for _, path in _files(store, dataset)), None)
            if path is not None and carries_lineage(path):
                return path
    return None


def _numbered(store: Store, chains: Mapping[tuple[str, str], _Chain]) -> tuple[int, list[Record]]:
    """All records in an order that fits what they say of each other, and the first's new number.

    A record that read up to number q is later than all that q counts. Numbers go on after those in
    use, so that files in the history keep their order; `read_seq` is brought to the new numbers.
    """
    pairs = sorted(
        (one for chain in chains.values() for one in chain.records),
        key=lambda one: (one[0], one[1].made_at),
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
    """Since which ordinal each effect runs for what becomes due by itself.

    Where that was not noted it is that of its last completion. Without any journal nobody knows
    what was done: then nothing that is due is done again.
    """
    if journal is None:
        return dict(due)
    found = dict(journal.effects)
    for name in due.keys() - found.keys():
        starts = [r.start for r in journal.records if r.node == name and r.how == "done"]
        if starts:
            found[name] = graph.task(name).grain.ordinal_at(max(starts))
    return found


def _put_in_place(store: Store, new: Path, path: Path) -> Path | None:
    """Move what is at `path` aside, and the new one there; where the old one is, if there was one.

    If this is cut off in between, there is no metastore, and the next rebuild makes one.
    """
    aside = None
    if any(Path(f"{path}{side}").exists() for side in SIDES):
        number = 1
        while any(path.parent.glob(f"{path.stem}.replaced{number}*")):
            number += 1
        aside = path.with_suffix(f".replaced{number}")
        for side in SIDES:
            old = Path(f"{path}{side}")
            if old.exists():
                old.rename(f"{aside}{side}")
    failpoint("set_aside")
    for error in store.sync([new]).values():
        raise error
    new.replace(path)
    for error in store.sync([path.parent]).values():
        raise error
    return aside
