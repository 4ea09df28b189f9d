"""Finds files that lie in the warehouse like partitions, but that no declaration covers.

Knows nothing of plans. Such files are not shown. They can be moved into the history, where they are
never deleted. Requires, to move: the lease is held.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from partflow.declarations.dataset import NAME, Dataset, Source
from partflow.declarations.storedas import WRITTEN
from partflow.errors import UsageError
from partflow.planning.upstream import horizon_of
from partflow.store.protocol import Store, StoredFile

if TYPE_CHECKING:
    from partflow.declarations.graph import Graph
    from partflow.metastore.leases import Living
    from partflow.metastore.protocol import Materializations

_OWN_FILES = frozenset(form.file_name for form in WRITTEN.values())


class Hidden(Enum):
    """Why files are not shown."""

    RANGE = "outside of its range"
    GRAIN = "of another grain, column or format"
    DATASET = "of no dataset that is declared"


@dataclass(frozen=True, slots=True)
class Stray:
    """One file that is not shown, and why."""

    file: StoredFile
    why: Hidden

    @property
    def key(self) -> str:
        """The key under which it lies."""
        return self.file.key


@dataclass(frozen=True, slots=True)
class Lying:
    """The strays of one dataset that are not shown for one reason, in order of key."""

    dataset: str
    why: Hidden
    strays: tuple[Stray, ...]

    @property
    def nbytes(self) -> int:
        """How many bytes they have together."""
        return sum(stray.file.nbytes for stray in self.strays)


def lying(graph: Graph, store: Store, now: int) -> tuple[Lying, ...]:
    """All strays in the warehouse at `now`, in epoch seconds, by dataset and reason."""
    groups: list[Lying] = []
    for name in store.names():
        if NAME.match(name):
            strays = sorted(_strays(graph, store, name, now), key=_in_order)
            for why in Hidden:
                group = tuple(stray for stray in strays if stray.why is why)
                groups += [Lying(name, why, group)] if group else []
    return tuple(groups)


def chosen(groups: Sequence[Lying], names: Sequence[str]) -> tuple[Lying, ...]:
    """The groups of the named datasets; UsageError for a name that has none."""
    there = sorted({group.dataset for group in groups})
    for name in names:
        if name not in there:
            undeclared = f"there is: {', '.join(there)}" if there else "nothing is at all"
            raise UsageError(f"nothing of {name} is undeclared; {undeclared}")
    return tuple(group for group in groups if group.dataset in names)


def require_nobody_else(living: Living, nodes: Collection[str]) -> None:
    """Raise UsageError if a run of another project goes on, to which the strays may belong."""
    for lease in living.values():
        touched = {*lease.footprint.makes, *lease.footprint.reads}
        if lease.footprint.is_everything or not touched <= set(nodes):
            raise UsageError(
                f"another project is at work in this warehouse ({lease.owner}), and what is not "
                "declared here may be its own; wait for its end"
            )


def moved_away(groups: Sequence[Lying], store: Store, metastore: Materializations) -> None:
    """Move the files into the history, each under the number of its record."""
    files = [stray.file for group in groups for stray in group.strays]
    with store.locked((file.name, file.key) for file in files):
        store.put_away([(file, _number(file, store, metastore)) for file in files])


def is_declared(graph: Graph, name: str, key: str) -> bool:
    """Whether a dataset has, or will have, a partition of that key; "all" if it has only one."""
    dataset = graph.datasets.get(name)
    if dataset is None or isinstance(dataset, Source):
        return False
    if dataset.column is None:
        return key == "all"
    return _why(graph, dataset, StoredFile(name, key, None, None, 0)) is None


def _number(file: StoredFile, store: Store, metastore: Materializations) -> int:
    """The number of a file's record.

    A file without a record gets a number above all that are kept, so that it is swept last.
    """
    records = metastore.records(file.name, file.key)
    return records[0].seq if records else max(store.kept(file.name, file.key), default=-1) + 1


def _in_order(stray: Stray) -> tuple[str, str, str]:
    """The place of a stray in a list: by key, then column, then name of the file."""
    return stray.file.key, stray.file.column or "", stray.file.file or ""


def _strays(graph: Graph, store: Store, name: str, now: int) -> Iterator[Stray]:
    """The files under a dataset's name that are none of its partitions."""
    dataset = graph.datasets.get(name)
    if isinstance(dataset, Source):
        dataset = None
    written = (d for d in graph.datasets.values() if not d.is_source)
    files = _OWN_FILES | {d.stored_as.file_name for d in written}
    own, sources = None, list[Source]()
    if dataset is None:
        sources = [d for d in graph.datasets.values() if isinstance(d, Source)]
    else:
        own = dataset, _own_keys(graph, dataset, now)
    for file in store.beside(name, files, own, sources):
        why = _why(graph, dataset, file)
        if why is not None:
            yield Stray(file, why)


def _own_keys(graph: Graph, dataset: Dataset, now: int) -> Sequence[str]:
    """The keys of all partitions that a dataset can have at `now`."""
    lo, hi = graph.dataset_extents[dataset.name].lo, horizon_of(graph, dataset.name, now)
    return dataset.grain.keys(lo, hi) if hi > lo else ()


def _why(graph: Graph, dataset: Dataset | None, file: StoredFile) -> Hidden | None:
    """Why a file is not shown; None if it is, or will be once its partition is due."""
    if dataset is None:
        return Hidden.DATASET
    place = file.column, file.file
    if file.file is not None and place != (dataset.column, dataset.stored_as.file_name):
        return Hidden.GRAIN
    key = file.key
    try:
        ordinal = dataset.grain.ordinal(key)
        if dataset.grain.key(ordinal) != key:
            return Hidden.GRAIN
    except UsageError:
        return Hidden.GRAIN
    extent = graph.dataset_extents[dataset.name]
    is_within = extent.lo <= ordinal and (extent.hi is None or ordinal < extent.hi)
    return None if is_within else Hidden.RANGE
