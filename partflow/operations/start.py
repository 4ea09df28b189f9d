"""Begins what changes a warehouse: look, decide, take a lease on what that touches, look again.

Knows nothing of how anything is carried out. Looking and deciding hold nothing, so nobody waits for
a look at a million files; what was recorded before the lease was there is looked at once more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from partflow.metastore.journal import note_seen
from partflow.metastore.leases import Living, Met, Taken
from partflow.metastore.protocol import Leases, Metastore
from partflow.metastore.runlog import owner_of
from partflow.planning.footprint import Footprint
from partflow.store.identity import CLOCK_STEP_NS
from partflow.store.protocol import Store
from partflow.warehouse.shapes import is_described, is_shown

if TYPE_CHECKING:
    from partflow.declarations.graph import Graph
    from partflow.execution.controls import Controls
    from partflow.metastore.record import Record
    from partflow.warehouse.observe import Observed

Decided = TypeVar("Decided")


@dataclass(frozen=True, slots=True)
class Looked(Generic[Decided]):
    """What was seen, and what was decided from it, while no lease was held."""

    seen: Observed
    decided: Decided
    footprint: Footprint

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do, and nothing to record."""
        return not (self.footprint.makes or self.seen.news or self.seen.touched)


Decide = Callable[[Metastore, "Observed"], tuple[Decided, Footprint]]
"""Says from what is seen what is to be done, and what that touches."""


@dataclass(frozen=True, slots=True)
class Begun(Generic[Decided]):
    """What a run begins with: what there is, what was decided, and what others make meanwhile."""

    metastore: Metastore
    seen: Observed
    decided: Decided
    others: tuple[Footprint, ...]

    def note(self, store: Store) -> None:
        """Record what was found at the files, but for what another run is making just now."""
        news, touched = (self._own(found) for found in (self.seen.news, self.seen.touched))
        note_seen(self.metastore, store, news, touched)

    def _own(self, found: list[Record]) -> list[Record]:
        return [r for r in found if not any(o.makes_at(r.node, r.start) for o in self.others)]


@dataclass(frozen=True, slots=True)
class Starter:
    """Begins runs on one warehouse.

    `read` opens the metastore to look at it, `opened` to write, and makes it if there is none. Both
    are asked each time; MetastoreError if it is lost and the data is not.
    """

    graph: Graph
    store: Store
    leases: Leases
    read: Callable[[], AbstractContextManager[Metastore]]
    opened: Callable[[], AbstractContextManager[Metastore]]
    observe: Callable[[Metastore], Observed]

    def looked(self, decide: Decide[Decided]) -> Looked[Decided] | None:
        """A look and what comes of it; None if something is to be made or put right first."""
        with self.read() as metastore:
            if any(not self.leases.is_held(i.run) for i in metastore.intents()):
                return None
            if not is_described(self.graph, metastore):
                return None  # a warehouse from before: what its files hold is to be recorded once
            if not is_shown(self.graph, self.store, metastore):
                return None  # the catalog is gone, or shows what was declared before
            return self._look(metastore, decide)

    @contextmanager
    def begun(
        self,
        run: str,
        controls: Controls,
        decide: Decide[Decided],
        ahead: Looked[Decided] | None = None,
    ) -> Iterator[Begun[Decided]]:
        """Hold a lease on what is decided, from what is there under it; `ahead` came of a look.

        Runs that do not meet go on side by side. Who meets one waits for its end and decides anew,
        or BusyError is raised.
        """
        while True:
            with self.opened() as metastore:
                now = self._settled(metastore, decide, ahead)
                held, left = now.footprint, _Left(self, metastore)
                with self.leases.taken(run, owner_of(run), held, left) as found:
                    if isinstance(found, Taken) and metastore.is_current:
                        metastore.may_write = found.is_held
                        if left.recovered or not now.seen.is_of(metastore):
                            now = self._settled(metastore, decide)
                        if held.holds(now.footprint):
                            others = tuple(lease.footprint for lease in found.others)
                            yield Begun(metastore, now.seen, now.decided, others)
                            return
            ahead = None
            if isinstance(found, Met):
                self.await_end(found, controls)

    def _look(self, metastore: Metastore, decide: Decide[Decided]) -> Looked[Decided]:
        seen = self.observe(metastore)
        return Looked(seen, *decide(metastore, seen))

    def _settled(
        self, metastore: Metastore, decide: Decide[Decided], ahead: Looked[Decided] | None = None
    ) -> Looked[Decided]:
        """A look, or the one `ahead`; files that were too young to be trusted are read again."""
        seen = self.observe(metastore) if ahead is None else ahead.seen
        if seen.is_unsettled:
            time.sleep(CLOCK_STEP_NS / 1e9)  # then what was read can be trusted by its stat
            return self._look(metastore, decide)
        return ahead or Looked(seen, *decide(metastore, seen))

    def await_end(self, met: Met, controls: Controls) -> None:
        """Wait for a run that is in the way, after saying who it is and what it is at."""
        said = met.lease.owner
        if met.at.node:
            said += f", which is at {self._said(met.at.node, met.at.start, met.at.end)}"
        self.leases.await_end(met, said, wait=controls.wait, waiting=controls.waiting)

    def _said(self, node: str, start: int, end: int) -> str:
        """A span of a node by the keys of its first and last partition."""
        made = self.graph.datasets.get(node)
        grain = made.grain if made else self.graph.task(node).grain
        first, last = (grain.shown(grain.ordinal_at(s)) for s in (start, end - 1))
        return f"{node} {first}" + (f" .. {last}" if first != last else "")


@dataclass(slots=True)
class _Left:
    """Puts right what dead runs left, when it is known who is alive."""

    starter: Starter
    metastore: Metastore
    recovered: int = field(default=0)

    def __call__(self, living: Living) -> None:
        from partflow.warehouse.recovery import recover

        if self.metastore.is_current:
            store, graph = self.starter.store, self.starter.graph
            self.recovered = recover(self.metastore, store, graph, living.keys())
