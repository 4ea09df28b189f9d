"""Makes, checks and accepts a project's partitions, each under a lease on what that touches.

Decides nothing: plans come from `looking`, and runs are carried out by `execution`.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from partflow.code.fingerprint import CodeFingerprint
from partflow.errors import UsageError
from partflow.execution.controls import Controls, Result, Sample, Summary
from partflow.execution.executors.site import Site
from partflow.metastore.columncache import ColumnCache
from partflow.metastore.journal import note, note_begun, note_told, noted_by_older_rules
from partflow.metastore.protocol import Metastore
from partflow.metastore.runlog import RunLog, begun, new_run_id
from partflow.operations.start import Begun, Starter
from partflow.planning.faults import require_clock
from partflow.planning.firstseen import caught_up_from, is_news
from partflow.planning.footprint import Footprint, footprint_of_request, footprint_of_steps
from partflow.planning.lateness import EXPECTED, unnoted
from partflow.planning.plan import Force, Only, Plan, perhaps_done
from partflow.planning.selection import Asked
from partflow.planning.snapshot import Snapshot
from partflow.process.surroundings import working_in
from partflow.project.looking import Looking
from partflow.project.places import pools_of
from partflow.warehouse.filelook import Observed
from partflow.warehouse.shapes import describe
from partflow.warehouse.verify import Verify

if TYPE_CHECKING:
    from partflow.execution.executors.protocol import Executor
    from partflow.operations.accept import Accepted
    from partflow.operations.check import Reading, Trial
    from partflow.project.project import Project

_Planned = Callable[[Observed, RunLog], Plan]


@dataclass(frozen=True, slots=True)
class Making:
    """What changes one project's warehouse.

    MetastoreError if the metastore is lost; BusyError if another run is at the same partitions and
    `controls` do not wait; ClockError if the clock is behind the record, but not of checks.
    """

    project: Project

    @property
    def looking(self) -> Looking:
        """Looks and plans."""
        return Looking(self.project)

    def materialize(
        self, asked: Asked, controls: Controls, saved: Path | None, *, with_effects: bool
    ) -> Result:
        """Make what is missing or stale of what is asked for, or carry out a saved plan.

        UsageError if what a saved plan rests on has moved.
        """
        if saved is None:
            planned = functools.partial(
                self.looking.planned, asked=asked, force=None, with_effects=with_effects
            )
            return self._run(lambda seen, _: planned(seen), controls, asked)
        if with_effects or not asked.is_everything:
            raise UsageError(f"{saved}: a saved plan says all that is made; name nothing else")
        from partflow.operations.planfiles import read_plan

        restored = functools.partial(self.looking.restored, read_plan(saved))
        return self._run(restored, controls, asked, asks=False)  # what it rests on is to stay

    def make(self, planned: Callable[[Snapshot], Plan], controls: Controls) -> Result:
        """Carry out the plan that is made of what is seen."""
        return self._run(lambda seen, _: planned(seen.snapshot), controls, Asked())

    def backfill(
        self, asked: Asked, controls: Controls, only: Only, *, again: bool, with_effects: bool
    ) -> Result:
        """Make a range again; the request is recorded, so that the same words go on with it.

        UsageError if nothing is selected, or as of `request_of`.
        """
        if not asked.select:
            raise UsageError("backfill needs to be told what: a dataset, or a selection of them")
        project, since = self.project, None
        text = asked.words(only, with_effects=with_effects)

        def planned(seen: Observed, log: RunLog) -> Plan:
            nonlocal since  # what is decided once more goes on with the same request
            if since is None:
                since = log.request(text, project.clock() / 1e9, again=again)
            force = Force(only, since)
            self.looking.note_failures(seen, log, only)
            return self.looking.planned(seen, asked, force, with_effects=with_effects)

        result = self._run(planned, controls, asked)
        if result.is_complete:
            with project.metastore.opened() as metastore:
                RunLog(metastore).fulfil(text, project.clock() / 1e9)
        return result

    def accept(
        self, asked: Asked, controls: Controls, sample: Sample | None, *, absent: bool
    ) -> Accepted:
        """Record that new code makes the same, and keep the files that somebody changed.

        With `absent` record of sources that what is named does not come.

        UsageError if nothing is selected, or as of `request_of`.
        """
        from partflow.operations.accept import Acceptor

        if not asked.select:
            raise UsageError("accept needs to be told what: a dataset, or a selection of them")
        if absent and not asked.has_partitions:
            raise UsageError("--absent needs to be told which partitions: give -p KEY")
        project, run = self.project, self._new_run()
        decide = self._deciding(asked, makes=True)
        with (
            self._starter(controls, asked).begun(run, controls, decide) as start,
            working_in(project.root),
        ):
            metastore, store = start.metastore, project.store
            start.note(store)
            acceptance = self.looking.acceptance(start.decided, start.seen, absent=absent)
            note_begun(metastore, store, project.codes.values(), {})
            row = begun(run, controls.command, project.clock() / 1e9)
            acceptor = Acceptor(metastore, store, row, project.clock)
            accepted = acceptor.accept(acceptance, sample)
            ColumnCache(metastore, store.layout.columns).refresh(project.graph.nodes)
        return accepted

    def check_twice(self, asked: Asked, controls: Controls) -> tuple[Trial, ...]:
        """Make partitions twice, aside, and compare: those asked for, or each task's newest."""
        from partflow.operations.check import tried
        from partflow.operations.sandbox import Aside

        run, decide = self._new_run(), self._deciding(asked, makes=False)
        with (
            self._starter(controls, asked).begun(run, controls, decide) as start,
            working_in(self.project.root),
            contextlib.closing(Aside(start.decided, self.project.store, run)) as aside,
        ):
            return tuple(tried(start.decided, aside, every=asked.has_partitions))

    def check_files(self, asked: Asked, controls: Controls) -> Reading:
        """Read every file again, and say which are not what was recorded."""
        from partflow.operations.check import read_again

        closely = replace(controls, verify=Verify.CONTENT)
        run, decide = self._new_run(), self._deciding(asked, makes=False)
        with self._starter(closely, asked).begun(run, closely, decide) as start:
            return read_again(start.decided, start.seen)

    def _run(
        self, planned: _Planned, controls: Controls, asked: Asked, *, asks: bool = True
    ) -> Result:
        """Ask, look, and carry out what `planned` gives; with nothing to do no lease is taken."""
        if asks:
            self.project.ask_sources(asked)
        by_older_rules: list[CodeFingerprint] = []

        def decide(metastore: Metastore, seen: Observed) -> tuple[Plan, Footprint]:
            decided = planned(seen, RunLog(metastore))
            require_clock(decided)
            by_older_rules[:] = noted_by_older_rules(metastore, self.project.codes.values())
            return decided, footprint_of_steps(decided)

        if controls.trust_clock and not self.project.metastore.is_empty:
            with self.project.metastore.opened() as trusting:
                trusting.trust_clock()
        starter, run = self._starter(controls, asked), self._new_run()
        ahead = starter.looked(decide)
        is_idle = ahead is not None and ahead.is_idle and not by_older_rules
        if ahead is not None and is_idle and not _is_to_note(ahead.decided):
            return Result(ahead.decided, None)
        with starter.begun(run, controls, decide, ahead) as start:
            return self._carried_out(start, run, controls, by_older_rules)

    def _carried_out(
        self,
        start: Begun[Plan],
        run: str,
        controls: Controls,
        by_older_rules: list[CodeFingerprint],
    ) -> Result:
        """Carry the plan out, and bring the catalog and the columns' cache up to date."""
        from partflow.project.queries import views_of

        project, metastore, decided = self.project, start.metastore, start.decided
        start.note(project.store)
        controls.planned(decided)
        over = [(p.effect, p.key, p.run) for p in perhaps_done(decided) if p.is_over]
        note_told(metastore, project.store, over)
        note(metastore, project.store, EXPECTED, unnoted(decided))
        summary = None
        if decided.steps:
            summary = self._summary(start, run, controls)
        else:
            note_begun(metastore, project.store, by_older_rules, caught_up_from(decided))
        describe(project.graph, project.store, metastore)
        catalog = views_of(project, metastore).keep_catalog()
        ColumnCache(metastore, project.store.layout.columns).refresh(project.graph.nodes)
        return Result(decided, summary, catalog)

    def _summary(self, start: Begun[Plan], run: str, controls: Controls) -> Summary:
        """Run every step of the plan."""
        from partflow.operations.run import Carrier, newest, seen_ahead

        project, metastore, decided = self.project, start.metastore, start.decided
        executor, log = self._executor(controls, decided, metastore), RunLog(metastore)
        row = begun(run, controls.command, project.clock() / 1e9)
        codes = project.codes.values()
        note_begun(metastore, project.store, codes, newest(decided), seen_ahead(decided))
        carrier = Carrier(
            project.root, project.store, metastore, log, executor, project.clock,
            project.config.pools, project.config.failures_alike,
            pools_of(project.store, project.config),
        )  # fmt: skip
        summary = carrier.carry_out(decided, row, controls, start.seen.stats)
        project.frames.clear()
        return summary

    def _starter(self, controls: Controls, asked: Asked) -> Starter:
        """Begins what changes the warehouse; it looks at what decides what is asked for."""
        project, looking = self.project, self.looking
        frames = self._site(controls).at_hand
        look = functools.partial(
            looking.observe, verify=controls.verify, asked=asked, frames=frames
        )
        leases = project.history.leases
        return Starter(project.graph, project.store, leases, looking.read, self._opened, look)

    def _new_run(self) -> str:
        return new_run_id(self.project.clock())

    def _opened(self) -> AbstractContextManager[Metastore]:
        """The metastore to write to; MetastoreError if it is lost and the data is not."""
        return self.project.metastore.opened()

    def _deciding(self, asked: Asked, *, makes: bool) -> Callable[..., tuple[Plan, Footprint]]:
        """Plans what is asked for, all of which is to be recorded anew, or only to be read."""

        def decide(_: Metastore, seen: Observed) -> tuple[Plan, Footprint]:
            decided = self.looking.planned(seen, asked, None, with_effects=True)
            if makes:
                require_clock(decided)
            return decided, footprint_of_request(decided, makes=makes)

        return decide

    def _executor(self, controls: Controls, decided: Plan, metastore: Metastore) -> Executor:
        """What carries the plan out; ConfigurationError if that would not see the store."""
        from partflow.execution.executors.routing import executor_for
        from partflow.execution.sizing import forecast_of

        tasks = [planned.task for planned in decided.tasks.values() if planned.action.any()]
        took = metastore.took(task.name for task in tasks)
        forecast = forecast_of(decided, took, controls.batch_size)
        return executor_for(replace(self._site(controls), forecast=forecast), tasks)

    def _site(self, controls: Controls) -> Site:
        """What may work on the project."""
        from partflow.project.project import load_again

        project = self.project
        load = functools.partial(load_again, project.root, tuple(project.overrides.items()))
        return Site(
            project.graph, project.store, load, controls.workers, project.frames,
            project.config.executor,
        )  # fmt: skip


def _is_to_note(decided: Plan) -> bool:
    """Whether something is to be told or noted although there may be nothing to make."""
    return bool(perhaps_done(decided) or unnoted(decided)) or is_news(decided)
