"""Begins whatever changes a warehouse: look, decide, take a lease on what that touches, look again.

Knows nothing of how anything is carried out. No lease is held while looking and deciding, so that
nobody waits for a look at a million files. If something was recorded before the lease was taken, it
looks once more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from partflow.errors import UsageError
from partflow.metastore.journal import note_seen
from partflow.metastore.leases import Leases, Living, Met, Patience, Taken
from partflow.metastore.protocol import Metastore
from partflow.metastore.runlog import is_worker_of, owner_of
from partflow.planning.footprint import Footprint
from partflow.store.identity import CLOCK_STEP_NS
from partflow.store.protocol import Store
from partflow.warehouse.setcontents import noted_as
from partflow.warehouse.shapes import is_described, is_shown

if TYPE_CHECKING:
    from partflow.declarations.graph import Graph
    from partflow.execution.controls import Controls
    from partflow.metastore.record import Record
    from partflow.warehouse.filelook import Observed

Decided = TypeVar("Decided")


@dataclass(frozen=True, slots=True)
class Foreseen(Generic[Decided]):
    """What was seen and decided without a lease, and what the decision touches."""

    seen: Observed
    decided: Decided
    footprint: Footprint

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to do, and nothing to record or to say in the catalog."""
        seen = self.seen
        return not (self.footprint.makes or seen.news or seen.touched or seen.problems)


Decide = Callable[[Metastore, "Observed"], tuple[Decided, Footprint]]
"""Decides from a look what is to be done, and says what that touches."""


@dataclass(frozen=True, slots=True)
class Begun(Generic[Decided]):
    """What a run begins with: what was seen and decided, and what other runs make meanwhile."""

    metastore: Metastore
    seen: Observed
    decided: Decided
    others: tuple[Footprint, ...]

    def note(self, store: Store) -> None:
        """Record what was seen at the files, except of partitions that other runs are making."""
        news, touched = (self._own(records) for records in (self.seen.news, self.seen.touched))
        sets: dict[str, dict[str, str]] = {}
        for record in (*news, *touched):
            if text := self.seen.sets.get((record.node, record.key)):
                sets.setdefault(noted_as(record.node), {})[record.key] = text
        note_seen(self.metastore, store, news, touched, sets)

    def _own(self, records: list[Record]) -> list[Record]:
        return [r for r in records if not any(o.makes_at(r.node, r.start) for o in self.others)]


@dataclass(frozen=True, slots=True)
class Starter:
    """Begins runs on one warehouse.

    `read` opens the metastore for reading; `opened` opens it for writing, and makes it if there is
    none. Both are called each time, and raise MetastoreError if the metastore is lost and data that
    partflow made is still there.
    """

    graph: Graph
    store: Store
    leases: Leases
    read: Callable[[], AbstractContextManager[Metastore]]
    opened: Callable[[], AbstractContextManager[Metastore]]
    observe: Callable[[Metastore], Observed]

    def looked(self, decide: Decide[Decided]) -> Foreseen[Decided] | None:
        """A look without a lease, and what is decided from it; None if only a lease will do.

        A lease is needed if a dead run has to be recovered, or the schemas or the catalog have to
        be written anew.
        """
        with self.read() as metastore:
            if any(not self.leases.is_held(i.run) for i in metastore.intents()):
                return None
            if not is_described(self.graph, metastore):
                return None  # An older warehouse: the schemas of its files are not recorded yet.
            if not is_shown(self.graph, self.store, metastore):
                return None  # The catalog is gone, or shows earlier declarations.
            return self._look(metastore, decide)

    @contextmanager
    def begun(
        self,
        run: str,
        controls: Controls,
        decide: Decide[Decided],
        ahead: Foreseen[Decided] | None = None,
    ) -> Iterator[Begun[Decided]]:
        """Hold a lease on what is decided, from what is true while it is held.

        `ahead` is an earlier look, if there was one. Runs that touch nothing in common go on side
        by side. If another run touches the same, this waits for its end and decides anew.

        Raises:
            BusyError: another run touches the same, and `controls.wait` is False.
            MetastoreError: as for the opening of the metastore.
        """
        while True:
            with self.opened() as metastore:
                now = self._settled(metastore, decide, ahead)
                held, left = now.footprint, _Left(self, metastore)
                with self.leases.taken(run, owner_of(run), held, left) as answer:
                    if isinstance(answer, Taken) and metastore.is_current:
                        metastore.may_write = answer.is_held
                        if left.recovered or not now.seen.is_of(metastore):
                            now = self._settled(metastore, decide)
                        if held.holds(now.footprint):
                            others = tuple(lease.footprint for lease in answer.others)
                            yield Begun(metastore, now.seen, now.decided, others)
                            return
            ahead = None
            if isinstance(answer, Met):
                self.await_end(answer, controls)

    def _look(self, metastore: Metastore, decide: Decide[Decided]) -> Foreseen[Decided]:
        seen = self.observe(metastore)
        return Foreseen(seen, *decide(metastore, seen))

    def _settled(
        self, metastore: Metastore, decide: Decide[Decided], ahead: Foreseen[Decided] | None = None
    ) -> Foreseen[Decided]:
        """A look, or the one `ahead`; a new one if a file was too young to be trusted."""
        seen = self.observe(metastore) if ahead is None else ahead.seen
        if seen.is_unsettled:
            time.sleep(CLOCK_STEP_NS / 1e9)  # From then on the files' stats can be trusted.
            return self._look(metastore, decide)
        return ahead or Foreseen(seen, *decide(metastore, seen))

    def await_end(self, met: Met, controls: Controls) -> None:
        """Wait for a run that is in the way, and say which it is and what it is at.

        BusyError if `controls.wait` is False; UsageError in a worker of that run, which would wait
        for ever.
        """
        text = met.lease.owner
        if is_worker_of(text):
            raise UsageError(
                f"a worker of {text} begins a run that waits for it; a script keeps its work under "
                '`if __name__ == "__main__":`, since workers import it, and a task begins no run'
            )
        if met.at.node:
            text += f", which is at {self._said(met.at.node, met.at.start, met.at.end)}"
        Patience(controls.wait, controls.waiting).await_end(self.leases, met, text)

    def _said(self, node: str, start: int, end: int) -> str:
        """A node's name with the first and last key of a span of epoch seconds."""
        dataset = self.graph.datasets.get(node)
        grain = dataset.grain if dataset else self.graph.task(node).grain
        first, last = (grain.shown(grain.ordinal_at(s)) for s in (start, end - 1))
        return f"{node} {first}" + (f" .. {last}" if first != last else "")


@dataclass(slots=True)
class _Left:
    """Recovers what dead runs left, once it is known which runs are alive."""

    starter: Starter
    metastore: Metastore
    recovered: int = field(default=0)

    def __call__(self, living: Living) -> None:
        from partflow.warehouse.recovery import recover

        if self.metastore.is_current:
            store, graph = self.starter.store, self.starter.graph
            self.recovered = recover(self.metastore, store, graph, living.keys())
