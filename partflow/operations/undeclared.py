"""What lies in the warehouse like a dataset's partitions and is not shown, as nothing declares it.

Knows nothing of plans. What is moved into the history is never deleted. Requires, to move: the
lease is held.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from partflow.declarations.dataset import NAME, Dataset, Source
from partflow.declarations.storedas import WRITTEN
from partflow.errors import UsageError
from partflow.planning.upstream import horizon_of
from partflow.store.protocol import Store
from partflow.store.stats import listed

if TYPE_CHECKING:
    from partflow.declarations.graph import Graph
    from partflow.metastore.leases import Living
    from partflow.metastore.protocol import Materializations

_OWN_FILES = frozenset(form.file_name for form in WRITTEN.values())


class Hidden(Enum):
    """Why partitions are not shown."""

    RANGE = "outside of its range"
    GRAIN = "of another grain, column or format"
    DATASET = "of no dataset that is declared"


@dataclass(frozen=True, slots=True)
class Stray:
    """One file that is not shown: of which dataset, as its folder says, under which key."""

    dataset: str
    key: str
    path: Path
    nbytes: int
    why: Hidden


@dataclass(frozen=True, slots=True)
class Lying:
    """The strays of one dataset that are not shown for one reason, by key."""

    dataset: str
    why: Hidden
    strays: tuple[Stray, ...]

    @property
    def nbytes(self) -> int:
        """How large they are."""
        return sum(one.nbytes for one in self.strays)


def lying(graph: Graph, store: Store, now: int) -> tuple[Lying, ...]:
    """All that lies in the warehouse and is not shown at `now`, in epoch seconds, by dataset."""
    found: list[Lying] = []
    for folder in _folders(store.layout.warehouse):
        if NAME.match(folder.name):
            strays = sorted(_strays(graph, store, folder, now), key=lambda s: (s.key, s.path))
            for why in Hidden:
                some = tuple(one for one in strays if one.why is why)
                found += [Lying(folder.name, why, some)] if some else []
    return tuple(found)


def chosen(found: Sequence[Lying], names: Sequence[str]) -> tuple[Lying, ...]:
    """Those of the named datasets; UsageError for one of which nothing is undeclared."""
    there = sorted({each.dataset for each in found})
    for name in names:
        if name not in there:
            said = f"there is: {', '.join(there)}" if there else "nothing is at all"
            raise UsageError(f"nothing of {name} is undeclared; {said}")
    return tuple(each for each in found if each.dataset in names)


def require_nobody_else(living: Living, nodes: Collection[str]) -> None:
    """Raise UsageError if a run of another project goes on: what is not declared may be its own."""
    for lease in living.values():
        touched = {*lease.footprint.makes, *lease.footprint.reads}
        if lease.footprint.is_everything or not touched <= set(nodes):
            raise UsageError(
                f"another project is at work in this warehouse ({lease.owner}), and what is not "
                "declared here may be its own; wait for its end"
            )


def moved_away(found: Sequence[Lying], store: Store, metastore: Materializations) -> None:
    """Move the files into the history, each under the number that it had, durably first."""
    strays = [one for each in found for one in each.strays]
    with store.locked((one.dataset, one.key) for one in strays):
        folders = {_kept(one, store, metastore) for one in strays}
        for error in store.sync(sorted({*folders, *(each.parent for each in folders)})).values():
            raise error
        for one in strays:
            one.path.unlink(missing_ok=True)
    for one in strays:
        for folder in (one.path.parent, store.layout.warehouse / one.dataset):
            with suppress(OSError):  # what somebody else put there stays
                folder.rmdir()
    for error in store.sync([store.layout.warehouse]).values():
        raise error


def is_declared(graph: Graph, name: str, key: str) -> bool:
    """Whether a dataset has a partition of that key or will have one; "all" is the whole."""
    dataset = graph.datasets.get(name)
    if dataset is None or isinstance(dataset, Source):
        return False
    if dataset.column is None:
        return key == "all"
    return _why(graph, dataset, (dataset.column, key, dataset.stored_as.file_name)) is None


def _kept(one: Stray, store: Store, metastore: Materializations) -> Path:
    """Keep a file in the history, under the number of what is recorded of it; the folder there.

    One of which nothing is recorded is the newest: the oldest are swept first.
    """
    records = metastore.records(one.dataset, one.key)
    newest = max(store.kept(one.dataset, one.key), default=-1)
    number = records[0].seq if records else newest + 1
    return store.keep(one.dataset, one.key, one.path, number).parent


def _strays(graph: Graph, store: Store, folder: Path, now: int) -> Iterator[Stray]:
    """The files in a dataset's folder that are not of its partitions."""
    dataset = graph.datasets.get(folder.name)
    if isinstance(dataset, Source):
        dataset = None
    written = (d for d in graph.datasets.values() if not d.is_source)
    files = _OWN_FILES | {d.stored_as.file_name for d in written}
    for path in _data_files(folder, files, _own_names(graph, dataset, now)):
        column, _, key = path.parent.name.partition("=")
        at = ("", "all", path.name) if path.parent == folder else (column, key, path.name)
        why = _why(graph, dataset, at)
        if why is not None and (why is not Hidden.DATASET or _is_of_no_source(graph, store, path)):
            yield Stray(folder.name, at[1], path, path.lstat().st_size, why)


def _own_names(graph: Graph, dataset: Dataset | None, now: int) -> set[str]:
    """What is called in a dataset's folder as one of its partitions is: nobody looks into those."""
    if dataset is None:
        return set()
    if dataset.column is None:
        return {dataset.stored_as.file_name}
    lo, hi = graph.dataset_extents[dataset.name].lo, horizon_of(graph, dataset.name, now)
    return {f"{dataset.column}={key}" for key in (dataset.grain.keys(lo, hi) if hi > lo else ())}


def _why(graph: Graph, dataset: Dataset | None, at: tuple[str, str, str]) -> Hidden | None:
    """Why a file at such a column, key and name is not shown; None if it will be one day."""
    column, key, name = at
    if dataset is None:
        return Hidden.DATASET
    if column != (dataset.column or "") or name != dataset.stored_as.file_name:
        return Hidden.GRAIN
    try:
        ordinal = dataset.grain.ordinal(key)
        if dataset.grain.key(ordinal) != key:
            return Hidden.GRAIN
    except UsageError:
        return Hidden.GRAIN
    extent = graph.dataset_extents[dataset.name]
    is_within = extent.lo <= ordinal and (extent.hi is None or ordinal < extent.hi)
    return None if is_within else Hidden.RANGE


def _is_of_no_source(graph: Graph, store: Store, path: Path) -> bool:
    """Whether no source has its files there: one may be kept in the warehouse's folder."""
    for dataset in graph.datasets.values():
        if isinstance(dataset, Source):
            top = store.layout.root / dataset.path.partition("{key}")[0].rpartition("/")[0]
            if path.is_relative_to(top) and top not in {store.layout.root, store.layout.warehouse}:
                return False
    return True


def _data_files(folder: Path, files: AbstractSet[str], own: Collection[str]) -> Iterator[Path]:
    """Files of these names, in a folder and in those below it but its `own`."""
    for name in sorted(listed(folder).difference(own)):
        path = folder / name
        if name in files and path.is_file() and not path.is_symlink():
            yield path
        elif "=" in name and path.is_dir() and not path.is_symlink():
            yield from (path / each for each in sorted(files & listed(path)))


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder; a link leads elsewhere and is passed."""
    try:
        with os.scandir(folder) as entries:
            return sorted(Path(e.path) for e in entries if e.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []
