"""Puts right what was lost, puts back what was replaced, and sweeps what nobody needs.

Knows nothing of how any of it is done: it takes the lease, opens the metastore, and calls the
operation. `Project.upkeep` gives one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from partflow.errors import UsageError
from partflow.metastore.columncache import ColumnCache
from partflow.metastore.journal import note, require_not_older
from partflow.metastore.leases import Living, Patience, Taken, kept
from partflow.metastore.protocol import Metastore
from partflow.metastore.runlog import begun, host, new_run_id, owner_of, user
from partflow.planning.footprint import EVERYTHING, Footprint
from partflow.planning.pauses import PAUSED, Pause, until_of
from partflow.planning.planner import task_span
from partflow.planning.selection import grain_of

if TYPE_CHECKING:
    from partflow.declarations.graph import Graph
    from partflow.execution.controls import Controls
    from partflow.operations.rebuild import Rebuilt
    from partflow.operations.rollback import Kept, PutBack, RollingBack
    from partflow.operations.sweep import Sweep
    from partflow.operations.undeclared import Lying
    from partflow.project.config import Config
    from partflow.project.history import History


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The upkeep of one warehouse; `clock` gives epoch nanoseconds.

    What changes anything takes a lease first: BusyError if another run is at it and `controls` do
    not wait. Those but `rebuild` raise MetastoreError if the metastore is lost, damaged or too
    old, and UsageError if nothing was run yet.
    """

    graph: Graph
    history: History
    config: Config
    clock: Callable[[], int]

    def require_not_lost(self) -> None:
        """Raise MetastoreError if there is no metastore beside files that partflow made."""
        place = self.history.metastore
        if place.is_empty:
            from partflow.operations.rebuild import require_nothing_made

            require_nothing_made(self.graph, self.history.store, place.place)

    def damage(self) -> str | None:
        """What is wrong with the metastore; None if it can be read through."""
        return self.history.metastore.damage()

    def rebuild(self, controls: Controls) -> Rebuilt:
        """Make the metastore anew; the one that is there is moved aside."""
        from partflow.operations.rebuild import rebuild

        now_ns = self.clock()
        due = {
            t.name: task_span(self.graph, t, now_ns // 10**9)[1]
            for t in self.graph.tasks
            if t.is_effect
        }
        store, place = self.history.store, self.history.metastore
        with self._lease(new_run_id(now_ns), EVERYTHING, controls):
            rebuilt = rebuild(self.graph, store, place, due, now_ns)
            with place.opened() as metastore:
                ColumnCache(metastore, store.layout.columns).refresh(self.graph.nodes)
        return rebuilt

    def kept(self, name: str, key: str) -> tuple[Kept, ...]:
        """What can be put back of a partition, the newest first; UsageError if it can have none."""
        from partflow.operations.rollback import kept_of

        with self.history.metastore.looked_at() as metastore:
            return kept_of(self.graph, self.history.store, metastore, name, key)

    def rollback(self, name: str, key: str, to: int | None, controls: Controls) -> PutBack:
        """Put a kept materialization back and pin it, with all outputs of its step.

        `to` is its number, None for the newest that is not the present one. UsageError if there is
        none that can be put back.
        """
        return self._rolling(name, key, controls, lambda rolling: rolling.put_back(name, key, to))

    def release(self, name: str, key: str, controls: Controls) -> PutBack:
        """Let what was put back be made again when its code or inputs say so."""
        return self._rolling(name, key, controls, lambda rolling: rolling.release(name, key))

    def sweep(self, controls: Controls, *, dry_run: bool) -> Sweep:
        """Remove what nobody needs; with `dry_run` only say what that is."""
        from partflow.operations.sweep import Bounds, sweep

        kept = self.config.runs_kept.total_seconds()
        # What a dead run intended stays for the next run, with the files that it staged.
        run = new_run_id(self.clock())
        with self._at_work(run, EVERYTHING, controls, mends=False) as metastore:
            left = self.history.metastore.leftovers()
            bounds = Bounds(self.clock() / 1e9, kept, self.config.pools, left)
            return sweep(self.graph, self.history.store, metastore, bounds, dry_run=dry_run)

    def pause(self, nodes: Sequence[str], until: str | None, why: str) -> dict[str, Pause]:
        """Note that datasets, sources or effects are paused; returns the pauses.

        `until` is a span from now on, or a date in each one's zone. UsageError if it lies behind.
        """
        now, who = self.clock() // 10**9, f"{user()}@{host()}"
        pauses = {
            node: Pause(
                now,
                who,
                why,
                None if until is None else until_of(until, grain_of(self.graph, node), now),
            )
            for node in nodes
        }
        self._note(PAUSED, {node: pause.text() for node, pause in pauses.items()})
        return pauses

    def resume(self, nodes: Sequence[str]) -> tuple[str, ...]:
        """Note that these are paused no more; returns those that were."""
        with self.history.metastore.looked_at() as metastore:
            were = metastore.noted(PAUSED)
        ended = tuple(node for node in nodes if node in were)
        self._note(PAUSED, dict.fromkeys(ended))
        return ended

    def undeclared(self) -> tuple[Lying, ...]:
        """The files that lie in the warehouse as partitions do, and that nothing declares."""
        from partflow.operations.undeclared import lying

        return lying(self.graph, self.history.store, self.clock() // 10**9)

    def move_undeclared(self, names: Sequence[str], controls: Controls) -> tuple[Lying, ...]:
        """Move what is undeclared of these datasets into the history; returns what was moved."""
        from partflow.operations.undeclared import chosen, moved_away, require_nobody_else
        from partflow.warehouse.views import Views

        chosen(self.undeclared(), names)  # a mistake in a name waits for nobody
        run, store = new_run_id(self.clock()), self.history.store

        def alone(living: Living) -> None:
            require_nobody_else(living, self.graph.nodes)

        with self._at_work(run, EVERYTHING, controls, alone) as metastore:
            moved = chosen(self.undeclared(), names)
            moved_away(moved, store, metastore)
            Views(self.graph, store, metastore, self.clock() // 10**9).keep_catalog()
        return moved

    def _note(self, kind: str, texts: Mapping[str, str | None]) -> None:
        """Note texts by name. No lease is needed: nothing that a run makes rests on them."""
        self.require_not_lost()
        if texts:
            with self.history.metastore.opened() as metastore:
                require_not_older(metastore, self.history.store)
                note(metastore, self.history.store, kind, texts)

    def _rolling(
        self, name: str, key: str, controls: Controls, act: Callable[[RollingBack], PutBack]
    ) -> PutBack:
        """Put back or release, as a run of its own."""
        from partflow.operations.rollback import RollingBack, touched_at

        run, store = new_run_id(self.clock()), self.history.store
        with self._at_work(run, touched_at(self.graph, name, key), controls) as metastore:
            row = begun(run, controls.command, self.clock() / 1e9)
            done = act(RollingBack(self.graph, store, metastore, row, self.clock))
            ColumnCache(metastore, store.layout.columns).refresh(self.graph.nodes)
        return done

    def _lease(
        self,
        run: str,
        touched: Footprint,
        controls: Controls,
        before: Callable[[Living], None] = lambda _: None,
    ) -> contextlib.AbstractContextManager[Taken]:
        patience = Patience(controls.wait, controls.waiting)
        return kept(self.history.leases, run, owner_of(run), touched, before, patience=patience)

    @contextlib.contextmanager
    def _at_work(
        self,
        run: str,
        touched: Footprint,
        controls: Controls,
        first: Callable[[Living], None] = lambda _: None,
        *,
        mends: bool = True,
    ) -> Iterator[Metastore]:
        """Hold a lease, and give the open metastore.

        Before it is taken, `first` is called with the leases that are held, and then what dead runs
        left is recovered if `mends`.
        """
        store, place = self.history.store, self.history.metastore
        self.require_not_lost()
        if place.is_empty:
            raise UsageError("nothing was run yet")

        def mend(living: Living) -> None:
            from partflow.warehouse.recovery import recover

            first(living)
            with place.opened() as metastore:
                require_not_older(metastore, store)
                if mends:
                    recover(metastore, store, self.graph, living.keys())

        with (
            self._lease(run, touched, controls, mend) as lease,
            place.opened() as metastore,
        ):
            metastore.may_write = lease.is_held
            yield metastore
