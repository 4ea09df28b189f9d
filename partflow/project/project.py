"""A project: its configuration, its graph and the clock, and all that can be asked of it.

The commands and a notebook call the same methods. It decides nothing: plans come from `planning`,
runs from `execution`. What a method needs is imported when it is called, so that a query waits for
nothing that makes partitions.
"""

from __future__ import annotations

import functools
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partflow.declarations.dataset import Source
from partflow.declarations.graph import Graph, derive
from partflow.project.config import Config, find_root, read_config
from partflow.project.history import History
from partflow.project.loading import load_jobs, require_folders, require_pools
from partflow.project.places import brought, store_of
from partflow.project.usermodules import codes_of
from partflow.warehouse.handover import HandOver
from partflow.warehouse.verify import Verify

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from partflow.code.fingerprint import CodeFingerprint
    from partflow.execution.controls import Controls, Result, Sample
    from partflow.execution.executors.workplace import Loaded
    from partflow.metastore.protocol import MetastorePlace
    from partflow.metastore.record import RunRow, StepLog
    from partflow.operations.accept import Accepted
    from partflow.operations.acceptable import Acceptance
    from partflow.operations.check import Reading, Trial
    from partflow.operations.explain import Why
    from partflow.planning.lateness import Lateness
    from partflow.planning.pauses import Pause
    from partflow.planning.plan import Force, Only, Plan
    from partflow.planning.selection import Asked
    from partflow.planning.snapshot import Snapshot
    from partflow.planning.status import Status
    from partflow.project.looking import Looking
    from partflow.project.making import Making
    from partflow.project.queries import Progress, Queries
    from partflow.project.upkeep import Upkeep
    from partflow.store.protocol import Store
    from partflow.warehouse.viewsql import View

__all__ = ["Project", "load_again"]


class Project:
    """One project: its graph, its warehouse, and all that the commands do."""

    def __init__(
        self,
        root: Path,
        config: Config,
        graph: Graph,
        overrides: Mapping[str, str],
        store: Store | None = None,
    ) -> None:
        self.root = root
        self.config = config
        self.graph = graph
        self.overrides = overrides
        self.store = store_of(root, config) if store is None else brought(store, root, config)
        self.frames = HandOver()
        self.code_of = codes_of(root, config.jobs, stacklevel=5)
        self.clock: Callable[[], int] = time.time_ns
        self.may_give_up = True
        self.left_out: tuple[str, ...] = ()

    @classmethod
    def load(
        cls,
        path: str | Path = ".",
        *,
        overrides: Mapping[str, str] | None = None,
        store: Store | None = None,
    ) -> Project:
        """The project that `path` lies in, with its modules imported and its graph derived.

        Its data lies in the warehouse that is configured, or in another `store`. Warns of tasks and
        datasets that were made and that no module holds.
        """
        project = cls.load_quietly(path, overrides=overrides, store=store)
        for said in project.left_out:
            warnings.warn(said, stacklevel=2)
        return project

    @classmethod
    def load_quietly(
        cls,
        path: str | Path = ".",
        *,
        overrides: Mapping[str, str] | None = None,
        store: Store | None = None,
    ) -> Project:
        """The same; what `load` warns of stands in `left_out`."""
        root = find_root(path)
        config = read_config(root, os.environ, overrides or {})
        jobs = load_jobs(root, config.jobs)
        require_pools(jobs.tasks, config.pools)
        graph = derive(jobs.tasks, jobs.datasets)
        require_folders(graph, config.folders)
        project = cls(root, config, graph, overrides or {}, store)
        project.left_out = jobs.left_out
        return project

    @functools.cached_property
    def history(self) -> History:
        """What was run here: runs, their attempts, graphs and logs; a run is cancelled there."""
        return History(self.root, self.config, self.store)

    @property
    def metastore(self) -> MetastorePlace:
        """The place of the metastore; MetastoreError if it is lost and the data is not."""
        self.upkeep.require_not_lost()
        return self.history.metastore

    @functools.cached_property
    def upkeep(self) -> Upkeep:
        """Puts right what was lost, puts back what was replaced, sweeps what nobody needs."""
        from partflow.project.upkeep import Upkeep

        return Upkeep(self.graph, self.history, self.config, self.clock)

    @functools.cached_property
    def codes(self) -> Mapping[str, CodeFingerprint]:
        """Each task's present code fingerprint, by its name."""
        return {t.name: self.code_of(t) for t in self.graph.tasks}

    # --- looking -----------------------------------------------------------------------------

    @property
    def _looking(self) -> Looking:
        from partflow.project.looking import Looking

        return Looking(self)

    def plan(
        self,
        *select: str,
        asked: Asked | None = None,
        force: Force | None = None,
        with_effects: bool = False,
        verify: Verify = Verify.STAT,
    ) -> Plan:
        """What has to be made, and why; nothing is written."""
        return self._looking.plan(_asked(asked, select), force, verify, with_effects=with_effects)

    def save_plan(
        self, decided: Plan, path: str | Path, shown: Mapping[str, Any] | None = None
    ) -> None:
        """Write a plan down for `materialize(saved=...)`; `shown` is what is to be read beside."""
        from partflow.operations.planfiles import write_plan
        from partflow.planning.savedplan import document_of

        write_plan(Path(path), document_of(decided, shown or {}))

    def saved_plan(self, path: str | Path, verify: Verify = Verify.STAT) -> Plan:
        """A plan that was saved; UsageError if what it rests on is no longer as it was."""
        return self._looking.saved_plan(Path(path), verify)

    def backfill_plan(
        self,
        asked: Asked,
        only: Only | None = None,
        *,
        again: bool = False,
        with_effects: bool = False,
        verify: Verify = Verify.STAT,
    ) -> Plan:
        """What a backfill would do; the request is not recorded."""
        return self._looking.backfill_plan(
            asked, _only(only), verify, again=again, with_effects=with_effects
        )

    def status(self) -> tuple[Status, ...]:
        """For each dataset and effect its states, rows and bytes."""
        return self._looking.status()

    def selected(self, names: Sequence[str], exclude: Sequence[str] = ()) -> tuple[str, ...]:
        """The datasets, sources and effects that a selection names, in the graph's order.

        Looks at files only for `status:`. UsageError for a name that there is not.
        """
        return self._looking.selected(names, exclude)

    def failures(self) -> list[tuple[str, str]]:
        """The (dataset or effect, key) of all partitions whose last attempt failed."""
        return self._looking.failures()

    def paused(self) -> dict[str, Pause]:
        """What is paused now, by dataset, source or effect: by whom, since when, and why."""
        return self._looking.paused()

    def absent(self) -> dict[str, int]:
        """By source how many partitions are absent, as recorded; only sources that have any."""
        return self._looking.absent()

    def late(self) -> dict[str, Lateness]:
        """What is late of each dataset and source of which something is expected, by name."""
        from partflow.planning.lateness import lateness

        return lateness(self.plan())

    def why(self, node: str, key: str) -> Why:
        """The state of one partition, the reasons for it, and what it was made from."""
        return self._looking.why(node, key)

    def acceptable(
        self, *select: str, asked: Asked | None = None, absent: bool = False
    ) -> Acceptance:
        """What `accept` would come to; nothing is written."""
        return self._looking.acceptable(_asked(asked, select), absent=absent)

    def runs(self, limit: int = 20) -> list[RunRow]:
        """The last runs, the newest first."""
        return self.history.runs(limit)

    def steps(self, run: str) -> list[StepLog]:
        """Every attempt of a run."""
        return self.history.steps(run)

    # --- making ------------------------------------------------------------------------------

    @property
    def _making(self) -> Making:
        from partflow.project.making import Making

        return Making(self)

    def materialize(
        self,
        *select: str,
        asked: Asked | None = None,
        with_effects: bool = False,
        saved: str | Path | None = None,
        controls: Controls | None = None,
    ) -> Result:
        """Make what is missing or stale among the selected (all if none), and what that needs.

        Or carry out exactly the plan that was `saved`: UsageError if what it rests on has moved.
        """
        path = None if saved is None else Path(saved)
        return self._making.materialize(
            _asked(asked, select), _controls(controls), path, with_effects=with_effects
        )

    def ask_sources(self, asked: Asked | None = None, at_most: float = float("inf")) -> None:
        """Ask the sources without files what is there, as far as that is to be asked now.

        What is not answered when `at_most` seconds have passed is left for the next time. Runs do
        it themselves. OSError if the disk refuses what is to be kept.
        """
        if any(isinstance(d, Source) and d.is_asked for d in self.graph.datasets.values()):
            from partflow.planning.selection import needed_for
            from partflow.project.asking import WITHIN, ask_about

            names = None if asked is None else needed_for(self.graph, asked)
            ask_about(self, names, min(WITHIN, at_most / 2), at_most)

    def make(self, planned: Callable[[Snapshot], Plan], controls: Controls | None = None) -> Result:
        """Carry out the plan that is made of what is seen; it may be made anew under the lease."""
        return self._making.make(planned, _controls(controls))

    def backfill(
        self,
        *select: str,
        asked: Asked | None = None,
        only: Only | None = None,
        again: bool = False,
        with_effects: bool = False,
        controls: Controls | None = None,
    ) -> Result:
        """Make a range again, whether it is fresh or not; `only` some of it, all if not given.

        The request is recorded: asked once more in the same words after it was cut off, it goes on
        with the rest, unless `again` starts it over.
        """
        return self._making.backfill(
            _asked(asked, select), _controls(controls), _only(only), again=again,
            with_effects=with_effects,
        )  # fmt: skip

    def accept(
        self,
        *select: str,
        asked: Asked | None = None,
        sample: Sample | None = None,
        controls: Controls | None = None,
        absent: bool = False,
    ) -> Accepted:
        """Record that new code makes the same, and keep the files that somebody changed.

        With a `sample`, so many partitions are made aside first; if one differs, nothing is. With
        `absent` record instead that these partitions of sources do not come.
        """
        controls = _controls(controls)
        return self._making.accept(_asked(asked, select), controls, sample, absent=absent)

    def check_twice(
        self, *select: str, asked: Asked | None = None, controls: Controls | None = None
    ) -> tuple[Trial, ...]:
        """Make partitions twice, aside, and compare: those asked for, or each task's newest."""
        return self._making.check_twice(_asked(asked, select), _controls(controls))

    def check_files(
        self, *select: str, asked: Asked | None = None, controls: Controls | None = None
    ) -> Reading:
        """Read every file again, and say which are not what was recorded."""
        return self._making.check_files(_asked(asked, select), _controls(controls))

    # --- reading -----------------------------------------------------------------------------

    @property
    def _queries(self) -> Queries:
        from partflow.project.queries import Queries

        return Queries(self)

    def read(self, name: str, start: str | None = None, end: str | None = None) -> pl.LazyFrame:
        """The partitions of a dataset that are there and overlap `[start, end)`, in order.

        Raises:
            UsageError: there is no such dataset, it is no table, or nothing of it is there.
            ReadError: a file of these partitions cannot be read.
        """
        return self._queries.read(name, start, end)

    def sql(self, text: str) -> duckdb.DuckDBPyRelation:
        """One SELECT over all datasets as views; it only reads, and only what its filters need.

        Its moments are in the zone of the datasets that it names; in UTC, with a warning, if these
        are in several.
        """
        if said := self.zones_differ(text):
            warnings.warn(said, stacklevel=2)
        return self.ask(text)

    def zones_differ(self, text: str) -> str | None:
        """That a query's moments are shown in UTC, and why; None if its datasets have one zone."""
        return self._queries.zones_differ(text)

    def ask(
        self, text: str, connection: duckdb.DuckDBPyConnection | None = None
    ) -> duckdb.DuckDBPyRelation:
        """The same without the warning, on a connection of `catalog.connect`."""
        from partflow.warehouse.catalog import connect

        return self._queries.ask(text, connection or connect())

    def progress(self) -> Progress:
        """How far the warehouse has come: two looks tell whether partitions were replaced."""
        return self._queries.progress()

    def views(self, text: str = "") -> list[View]:
        """Every table that a query may mean as a view for DuckDB."""
        return self._queries.views(text)


def _asked(asked: Asked | None, select: Sequence[str]) -> Asked:
    from partflow.planning.selection import Asked

    return asked or Asked(tuple(select))


def _controls(controls: Controls | None) -> Controls:
    from partflow.execution.controls import Controls

    return controls or Controls()


def _only(only: Only | None) -> Only:
    from partflow.planning.plan import Only

    return only or Only.ALL


def load_again(root: Path, overrides: tuple[tuple[str, str], ...]) -> Loaded:
    """The project once more, in another process, which works from the project's root."""
    os.chdir(root)
    project = Project.load_quietly(root, overrides=dict(overrides))
    return project.graph, project.store, project.code_of
