"""Wires the parts together: configuration, the user's modules, the clock; the one place that does.

Decides nothing: plans come from `plan`, runs from `execution`. All that the commands do is here, so
that a notebook can do it too.
"""

from __future__ import annotations

import contextlib
import functools
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partflow.code.fingerprint import CodeFingerprint
from partflow.declarations.graph import Graph, derive
from partflow.errors import UsageError
from partflow.execution.controls import Controls, Result, Sample, Stop
from partflow.metastore.columncache import ColumnCache
from partflow.metastore.journal import note_begun, note_told, noted_by_older_rules
from partflow.metastore.protocol import Metastore
from partflow.metastore.record import RunRow, StepLog
from partflow.metastore.runlog import RunLog, begun, new_run_id
from partflow.metastore.sqlite.file import UNREADABLE
from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.operations.planfiles import read_plan, write_plan
from partflow.operations.run import Carrier, newest, seen_ahead
from partflow.operations.start import Starter
from partflow.planning.faults import require_clock
from partflow.planning.footprint import Footprint, footprint_of_request, footprint_of_steps
from partflow.planning.planner import Force, Only, Plan, Request, perhaps_done, plan
from partflow.planning.savedplan import SavedPlan, document_of, moved, refusal, restored
from partflow.planning.selection import Asked, needed_for, request_of
from partflow.planning.selectors import goes_by_states, select
from partflow.process.surroundings import working_in
from partflow.project.config import Config, find_root, read_config
from partflow.project.history import History, store_of
from partflow.project.loading import load_jobs, require_pools
from partflow.project.usermodules import codes_of
from partflow.warehouse.handover import HandOver
from partflow.warehouse.observe import Observed, Verify, effects_cut_off, observe
from partflow.warehouse.shapes import describe

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from partflow.execution.executors.protocol import Executor
    from partflow.execution.executors.workplace import Loaded
    from partflow.operations.accept import Accepted
    from partflow.operations.acceptable import Acceptance
    from partflow.operations.check import Reading, Trial
    from partflow.operations.explain import Why
    from partflow.planning.status import Status
    from partflow.project.upkeep import Upkeep
    from partflow.store.protocol import Store
    from partflow.warehouse.views import Views
    from partflow.warehouse.viewsql import View

__all__ = ["Controls", "Project", "Result", "Stop", "load_again"]

_Planned = Callable[[Observed, RunLog], Plan]


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
        self.store = store or store_of(root, config)
        self.frames = HandOver()
        self.code_of = codes_of(root, config.jobs, stacklevel=5)
        self.clock: Callable[[], int] = time.time_ns
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
        project = cls(root, config, graph, overrides or {}, store)
        project.left_out = jobs.left_out
        return project

    @functools.cached_property
    def history(self) -> History:
        """What was run here: runs, their attempts, graphs and logs; a run is cancelled there."""
        return History(self.root, self.config, self.store)

    @property
    def metastore_path(self) -> Path:
        """Where the metastore lies; MetastoreError if it is lost and the data is not."""
        self.upkeep.require_not_lost()
        return self.history.metastore_path

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

    def plan(
        self,
        *select: str,
        asked: Asked | None = None,
        force: Force | None = None,
        with_effects: bool = False,
        verify: Verify = Verify.STAT,
    ) -> Plan:
        """What has to be made, and why; nothing is written."""
        with self._read() as metastore:
            seen = self._observe(metastore, verify, asked or Asked(select))
        return self._plan(seen, asked or Asked(select), force, with_effects=with_effects)

    def save_plan(
        self, found: Plan, path: str | Path, shown: Mapping[str, Any] | None = None
    ) -> None:
        """Write a plan down for `materialize(saved=...)`; `shown` is what is to be read beside."""
        write_plan(Path(path), document_of(found, shown or {}))

    def saved_plan(self, path: str | Path, verify: Verify = Verify.STAT) -> Plan:
        """A plan that was saved; UsageError if what it rests on is no longer as it was."""
        with self._read() as metastore:
            seen = self._observe(metastore, verify, Asked())
            return self._restored(read_plan(Path(path)), seen, RunLog(metastore))

    def status(self) -> tuple[Status, ...]:
        """For each dataset and effect its states, rows and bytes."""
        from partflow.planning.status import statuses

        return statuses(self.plan())

    def selected(self, names: Sequence[str], exclude: Sequence[str] = ()) -> tuple[str, ...]:
        """The datasets, sources and effects that a selection names, in the graph's order.

        Looks at files only for `status:`. UsageError for a name that there is not.
        """
        states: Mapping[str, frozenset[str]] = {}
        if goes_by_states((*names, *exclude)):
            from partflow.planning.status import states_of

            states = states_of(self.plan())
        return select(self.graph, names, exclude, states)

    def why(self, node: str, key: str) -> Why:
        """The state of one partition, the reasons for it, and what it was made from."""
        from partflow.operations.explain import explain

        with self._read() as metastore:
            about = Asked((node,) if node in self.graph.nodes else ())
            seen = self._observe(metastore, Verify.STAT, about)
            found = self._plan(seen, Asked(), None)
            return explain(found, seen, metastore, self.codes, (node, key), self.root)

    def runs(self, limit: int = 20) -> list[RunRow]:
        """The last runs, the newest first."""
        return self.history.runs(limit)

    def steps(self, run: str) -> list[StepLog]:
        """Every attempt of a run."""
        return self.history.steps(run)

    # --- making ------------------------------------------------------------------------------

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
        wanted, how = asked or Asked(select), controls or Controls()
        if saved is None:
            plan_ = functools.partial(self._plan, asked=wanted, with_effects=with_effects)
            return self._run(lambda seen, _: plan_(seen, force=None), how, wanted)
        if with_effects or not wanted.is_everything:
            raise UsageError(f"{saved}: a saved plan says all that is made; name nothing else")
        one = read_plan(Path(saved))
        return self._run(functools.partial(self._restored, one), how, wanted)

    def backfill(
        self,
        *select: str,
        asked: Asked | None = None,
        only: Only = Only.ALL,
        again: bool = False,
        controls: Controls | None = None,
    ) -> Result:
        """Make a range again, whether it is fresh or not.

        The request is recorded: asked once more in the same words after it was cut off, it goes on
        with the rest, unless `again` starts it over.
        """
        wanted = asked or Asked(select)
        if not wanted.select:
            raise UsageError("backfill needs to be told what: a dataset, or a selection of them")
        text, since = wanted.words(only), None

        def planned(seen: Observed, log: RunLog) -> Plan:
            nonlocal since  # what is decided once more goes on with the same request
            if since is None:
                since = log.request(text, self.clock() / 1e9, again=again)
            return self._plan(seen, wanted, Force(only, since))

        found = self._run(planned, controls or Controls(), wanted)
        if found.is_complete:
            with SqliteMetastore.open(self.metastore_path) as metastore:
                RunLog(metastore).fulfil(text, self.clock() / 1e9)
        return found

    def backfill_plan(
        self,
        asked: Asked,
        only: Only = Only.ALL,
        *,
        again: bool = False,
        verify: Verify = Verify.STAT,
    ) -> Plan:
        """What a backfill would do; the request is not recorded."""
        with self._read() as metastore:
            since = None if again else RunLog(metastore).open_request(asked.words(only))
            force = Force(only) if since is None else Force(only, since)
            return self._plan(self._observe(metastore, verify, asked), asked, force)

    def _run(self, planned: _Planned, controls: Controls, asked: Asked) -> Result:
        """Carry out what is `planned`; a look comes first, and with nothing to do no lease."""
        by_older_rules: list[CodeFingerprint] = []

        def decide(metastore: Metastore, seen: Observed) -> tuple[Plan, Footprint]:
            found = planned(seen, RunLog(metastore))
            require_clock(found)
            by_older_rules[:] = noted_by_older_rules(metastore, self.codes.values())
            return found, footprint_of_steps(found)

        if controls.trust_clock and self.metastore_path.exists():
            with SqliteMetastore.open(self.metastore_path) as trusting:
                trusting.trust_clock()
        starter, run = self._starter(controls, asked), new_run_id(self.clock())
        ahead = starter.looked(decide)
        is_idle = ahead is not None and ahead.is_idle and not by_older_rules
        if ahead is not None and is_idle and not perhaps_done(ahead.decided):
            return Result(ahead.decided, None)
        with starter.begun(run, controls, decide, ahead) as one:
            found, metastore = one.decided, one.metastore
            one.note(self.store)
            controls.planned(found)
            over = [(p.effect, p.key, p.run) for p in perhaps_done(found) if p.is_over]
            note_told(metastore, self.store, over)
            if not found.steps:
                note_begun(metastore, self.store, by_older_rules, {})
                describe(self.graph, self.store, metastore)
                catalog = self._views(metastore).keep_catalog()
                ColumnCache(metastore, self.store.layout.columns).refresh(self.graph.nodes)
                return Result(found, None, catalog)
            row = begun(run, controls.command, self.clock() / 1e9)
            note_begun(metastore, self.store, self.codes.values(), newest(found), seen_ahead(found))
            executor, log = self._executor(controls.workers), RunLog(metastore)
            carrier = Carrier(
                self.root, self.store, metastore, log, executor, self.clock, self.config.pools
            )
            summary = carrier.carry_out(found, row, controls, one.seen.stats)
            self.frames.clear()
            describe(self.graph, self.store, metastore)
            catalog = self._views(metastore).keep_catalog()
            ColumnCache(metastore, self.store.layout.columns).refresh(self.graph.nodes)
        return Result(found, summary, catalog)

    def _starter(self, controls: Controls, asked: Asked) -> Starter:
        """Begins what changes the warehouse; it looks at what decides what is asked for."""
        frames = self.frames if controls.workers <= 1 else None
        look = functools.partial(self._observe, verify=controls.verify, asked=asked, frames=frames)
        leases = self.history.leases
        return Starter(self.graph, self.store, leases, self._read, self._opened, look)

    def _read(self) -> SqliteMetastore:
        """The metastore to look at; MetastoreError if it is lost and the data is not."""
        return SqliteMetastore.open_existing(self.metastore_path)

    def _opened(self) -> SqliteMetastore:
        """The metastore to write to; MetastoreError if it is lost and the data is not."""
        return SqliteMetastore.open(self.metastore_path, durable=self.store.durable)

    def _deciding(self, asked: Asked, *, makes: bool) -> Callable[..., tuple[Plan, Footprint]]:
        """Plans what is asked for, all of which is to be recorded anew, or only to be read."""

        def decide(_: Metastore, seen: Observed) -> tuple[Plan, Footprint]:
            found = self._plan(seen, asked, None, with_effects=not makes)
            if makes:
                require_clock(found)
            return found, footprint_of_request(found, makes=makes)

        return decide

    def _executor(self, workers: int) -> Executor:
        from partflow.execution.executors.routing import Site, executor_for

        load = functools.partial(load_again, self.root, tuple(self.overrides.items()))
        only = self.config.executor == "processes"
        site = Site(self.graph, self.store, load, workers, self.frames, only_processes=only)
        return executor_for(site)

    def acceptable(self, *select: str, asked: Asked | None = None) -> Acceptance:
        """What `accept` would come to; nothing is written."""
        from partflow.operations.acceptable import acceptable

        with self._read() as metastore:
            seen = self._observe(metastore, Verify.STAT, asked or Asked(select))
        return acceptable(self._plan(seen, asked or Asked(select), None), seen, self.store)

    def accept(
        self,
        *select: str,
        asked: Asked | None = None,
        sample: Sample | None = None,
        controls: Controls | None = None,
    ) -> Accepted:
        """Record that new code makes the same, and keep the files that somebody changed.

        With a `sample`, so many partitions are made aside first; if one differs, nothing is.
        """
        from partflow.operations.accept import Acceptor
        from partflow.operations.acceptable import acceptable

        wanted, how, run = asked or Asked(select), controls or Controls(), new_run_id(self.clock())
        if not wanted.select:
            raise UsageError("accept needs to be told what: a dataset, or a selection of them")
        decide = self._deciding(wanted, makes=True)
        with self._starter(how, wanted).begun(run, how, decide) as one, working_in(self.root):
            metastore = one.metastore
            one.note(self.store)
            found = acceptable(one.decided, one.seen, self.store)
            note_begun(metastore, self.store, self.codes.values(), {})
            row = begun(run, how.command, self.clock() / 1e9)
            accepted = Acceptor(metastore, self.store, row, self.clock).accept(found, sample)
            ColumnCache(metastore, self.store.layout.columns).refresh(self.graph.nodes)
        return accepted

    def check_twice(
        self, *select: str, asked: Asked | None = None, controls: Controls | None = None
    ) -> tuple[Trial, ...]:
        """Make partitions twice, aside, and compare: those asked for, or each task's newest."""
        from partflow.operations.check import tried
        from partflow.operations.sandbox import Aside

        wanted, run = asked or Asked(select), new_run_id(self.clock())
        how, decide = controls or Controls(), self._deciding(wanted, makes=False)
        with (
            self._starter(how, wanted).begun(run, how, decide) as one,
            working_in(self.root),
            contextlib.closing(Aside(one.decided, self.store, run)) as aside,
        ):
            return tuple(tried(one.decided, aside, every=wanted.has_partitions))

    def check_files(
        self, *select: str, asked: Asked | None = None, controls: Controls | None = None
    ) -> Reading:
        """Read every file again, and say which are not what was recorded."""
        from partflow.operations.check import read_again

        how, run = replace(controls or Controls(), verify=Verify.CONTENT), new_run_id(self.clock())
        wanted = asked or Asked(select)
        decide = self._deciding(wanted, makes=False)
        with self._starter(how, wanted).begun(run, how, decide) as one:
            return read_again(one.decided, one.seen)

    def read(self, name: str, start: str | None = None, end: str | None = None) -> pl.LazyFrame:
        """The partitions of a dataset that are there and overlap `[start, end)`, in order."""
        from partflow.operations.read import read_dataset

        asked = Asked((name,), start=start, end=end)
        return read_dataset(self.graph, self.store, asked, self.clock() // 1_000_000_000)

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
        from partflow.warehouse.catalog import zones_differ
        from partflow.warehouse.views import unlooked

        return zones_differ(unlooked(self.graph, self.store), text)

    def ask(
        self, text: str, connection: duckdb.DuckDBPyConnection | None = None
    ) -> duckdb.DuckDBPyRelation:
        """The same without the warning, on a connection of `catalog.connect`."""
        from partflow.operations.read import require_tables
        from partflow.warehouse.catalog import connect, query

        connection = connection or connect()
        with self._recorded() as metastore, ThreadPoolExecutor(1) as pool:
            views = self._views(metastore)
            named, access = views.named_in(text), views.access()
            # While DuckDB opens what is recorded the files are looked at: neither needs the other.
            looking = pool.submit(views.looked, named)
            try:
                found = query(self.root, named, text, access, connection)
            except UsageError as missed:
                require_tables(self.graph, missed)
                if looking.result() == named:
                    raise
            else:
                if looking.result() == named:
                    return found
            return query(self.root, looking.result(), text, access, connection)

    def views(self, text: str = "") -> list[View]:
        """Every table that a query may mean as a view for DuckDB."""
        with self._recorded() as metastore:
            return self._views(metastore).named_in(text)

    def _views(self, metastore: Metastore) -> Views:
        from partflow.warehouse.views import Views

        return Views(self.graph, self.store, metastore, self.clock() // 1_000_000_000)

    def _recorded(self) -> SqliteMetastore:
        """The metastore, to save looking at files; where it can't be read they are looked at."""
        try:
            return SqliteMetastore.open_existing(self.history.metastore_path)
        except UNREADABLE:
            return SqliteMetastore.open_existing(self.root / "no such file")

    def _observe(
        self, metastore: Metastore, verify: Verify, asked: Asked, frames: HandOver | None = None
    ) -> Observed:
        codes, only = {t: c.digest for t, c in self.codes.items()}, needed_for(self.graph, asked)
        graph = self.graph
        seen = observe(graph, codes, metastore, self.store, self.clock(), verify, frames, only)
        perhaps = effects_cut_off(graph, metastore, self.history.leases.is_held)
        older = self._older(metastore)
        seen.snapshot = replace(seen.snapshot, older=older, perhaps_done=perhaps)
        return seen

    def _older(self, metastore: Metastore) -> dict[str, tuple[str, ...]]:
        """By task, what its code was under rules of before, unless it was that under later ones.

        Then something was added to the code since: that is another code, not other rules.
        """
        found = {}
        for name, code in self.codes.items():
            known = metastore.code_rules(digest for _, digest in code.older)
            older = tuple(d for rules, d in code.older if known.get(d, rules) <= rules)
            found.update({name: older} if older else {})
        return found

    def _restored(self, saved: SavedPlan, seen: Observed, log: RunLog) -> Plan:
        """A saved plan on what is there now."""
        problems = moved(saved, self.graph, seen.snapshot)
        if problems:
            ran = [f"{r.id} ({r.command})" for r in log.since(saved.version)]
            raise UsageError(refusal(saved, problems, ran))
        return restored(saved, self.graph, seen.snapshot)

    def _plan(
        self,
        seen: Observed,
        asked: Asked,
        force: Force | None,
        *,
        with_effects: bool = False,
    ) -> Plan:
        states: Mapping[str, frozenset[str]] = {}
        if goes_by_states((*asked.select, *asked.exclude)):
            from partflow.planning.status import states_of

            states = states_of(plan(self.graph, seen.snapshot, Request()))
        request = request_of(self.graph, asked, states, force, with_effects=with_effects)
        return plan(self.graph, seen.snapshot, request)


def load_again(root: Path, overrides: tuple[tuple[str, str], ...]) -> Loaded:
    """The project once more, in another process, which works from the project's root."""
    os.chdir(root)
    project = Project.load_quietly(root, overrides=dict(overrides))
    return project.graph, project.store, project.code_of
