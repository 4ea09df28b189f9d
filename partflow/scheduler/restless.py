"""Remembers what may change by itself between two looks, and tells cheaply whether it has.

That is the record, what is noted in it, who runs, and the files of sources that are not settled:
those that a source's `settles_after` says, else the newest ones; and those that have not come.
Knows nothing of plans. It reads no file, only stats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from partflow.declarations.dataset import Source
from partflow.metastore.protocol import Metastore
from partflow.planning.asking import unsettled
from partflow.planning.lateness import EXPECTED
from partflow.planning.pauses import PAUSED
from partflow.planning.snapshot import Condition
from partflow.planning.upstream import horizon_of
from partflow.project.project import Project
from partflow.scheduler.trynotes import TRIED
from partflow.warehouse.answers import books_of
from partflow.warehouse.filelook import Observed
from partflow.warehouse.wholefiles import without_unsettled

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEWEST = 400
"""So many of the newest partitions of a source are looked at each time, unless it says which."""
_MISSING = 4000
"""And so many of the newest that have not come."""


@dataclass(frozen=True, slots=True)
class Unsettled:
    """The partitions of a source that may still change, with the identities of their files."""

    source: Source
    keys: tuple[bytes, ...]
    identities: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Restless:
    """What may change by itself, as a look saw it.

    `record` is all of it that is compared as a whole: versions, notes, runs, answers.
    """

    record: tuple[Any, ...]
    sources: tuple[Unsettled, ...]

    def is_as_it_was(self, project: Project, metastore: Metastore, now_ns: int) -> bool:
        """Whether nothing of it has changed."""
        if _record_of(project, metastore) != self.record:
            return False
        store = project.store
        lots = {each.source.name: (each.source, each.keys) for each in self.sources}
        with store.look(lots) as stats:
            return all(
                np.array_equal(
                    without_unsettled(store, each.source, stats.of(each.source.name), now_ns),
                    each.identities,
                )
                for each in self.sources
            )


def restless_of(project: Project, metastore: Metastore, seen: Observed, now_ns: int) -> Restless:
    """What may change by itself of what was seen at that moment."""
    sources = [
        _unsettled(project, source, seen, now_ns)
        for source in project.graph.datasets.values()
        if isinstance(source, Source) and not source.is_asked
    ]
    return Restless(_record_of(project, metastore), tuple(sources))


def _record_of(project: Project, metastore: Metastore) -> tuple[Any, ...]:
    notes: tuple[Mapping[str, str], ...] = tuple(
        metastore.noted(kind) for kind in (TRIED, PAUSED, EXPECTED)
    )
    runs = sorted(project.history.leases.living())
    books = books_of(project.store.layout, project.graph)
    return metastore.versions(), metastore.newest_at(), notes, runs, books


def _unsettled(project: Project, source: Source, seen: Observed, now_ns: int) -> Unsettled:
    lo = project.graph.dataset_extents[source.name].lo
    hi = max(lo, horizon_of(project.graph, source.name, now_ns // 10**9))
    condition = seen.snapshot.states[source.name].condition
    is_missing = np.isin(condition, (Condition.ABSENT, Condition.GIVEN_UP))
    missing = np.flatnonzero(is_missing)[-_MISSING:]
    newest = np.arange(max(0, hi - lo - _NEWEST), hi - lo)
    if source.settling is not None:
        newest = np.flatnonzero(unsettled(source, now_ns // 10**9).mask(lo, hi))
    places = np.union1d(missing, newest)
    keys = source.grain.written(lo, hi).astype(np.bytes_)[places].tolist()
    return Unsettled(source, tuple(keys), seen.stats[source.name][places])
