"""Looks at a project's warehouse, and plans from what it sees.

Writes nothing, holds no lease, and carries nothing out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from partflow.errors import UsageError
from partflow.metastore.columncache import ColumnCache
from partflow.metastore.protocol import Metastore
from partflow.metastore.runlog import RunLog
from partflow.planning.lateness import EXPECTED, since_of
from partflow.planning.pauses import PAUSED, Pause, pauses_of
from partflow.planning.plan import Force, Only, Plan, Request
from partflow.planning.planner import plan
from partflow.planning.selection import Asked, needed_for, request_of
from partflow.planning.selectors import goes_by_states, select
from partflow.warehouse.answers import books_of
from partflow.warehouse.filelook import Observed
from partflow.warehouse.observe import effects_cut_off, observe
from partflow.warehouse.verify import Verify

if TYPE_CHECKING:
    from partflow.operations.acceptable import Acceptance
    from partflow.operations.explain import Why
    from partflow.planning.savedplan import SavedPlan
    from partflow.planning.status import Status
    from partflow.project.project import Project
    from partflow.warehouse.handover import HandOver


@dataclass(frozen=True, slots=True)
class Looking:
    """Plans of one project, each from a look at its files and its record."""

    project: Project

    def plan(
        self, asked: Asked, force: Force | None, verify: Verify, *, with_effects: bool
    ) -> Plan:
        """What has to be made of what is asked for, and why; UsageError as of `request_of`."""
        with self.read() as metastore:
            seen = self.observe(metastore, verify, asked)
        return self.planned(seen, asked, force, with_effects=with_effects)

    def saved_plan(self, path: Path, verify: Verify) -> Plan:
        """A plan that was saved; UsageError if what it rests on is no longer as it was."""
        from partflow.operations.planfiles import read_plan

        with self.read() as metastore:
            seen = self.observe(metastore, verify, Asked())
            return self.restored(read_plan(path), seen, RunLog(metastore))

    def backfill_plan(
        self, asked: Asked, only: Only, verify: Verify, *, again: bool, with_effects: bool
    ) -> Plan:
        """What a backfill would do; the request is not recorded."""
        with self.read() as metastore:
            text = asked.words(only, with_effects=with_effects)
            since = None if again else RunLog(metastore).open_request(text)
            force = Force(only) if since is None else Force(only, since)
            seen = self.observe(metastore, verify, asked)
            self.note_failures(seen, RunLog(metastore), only)
            return self.planned(seen, asked, force, with_effects=with_effects)

    def note_failures(self, seen: Observed, log: RunLog, only: Only) -> None:
        """Have what was seen tell what failed when it was tried last, if that is what decides."""
        if only is Only.FAILED:
            from partflow.planning.status import failed_ordinals

            failures = failed_ordinals(self.project.graph, log.failures())
            seen.snapshot = seen.snapshot.with_failures(failures)

    def status(self) -> tuple[Status, ...]:
        """For each dataset and effect its states, rows and bytes."""
        from partflow.planning.status import statuses

        return statuses(self.project.plan())

    def selected(self, names: Sequence[str], exclude: Sequence[str]) -> tuple[str, ...]:
        """The datasets, sources and effects that a selection names, in the graph's order.

        UsageError for a name that there is not.
        """
        states: Mapping[str, frozenset[str]] = {}
        if goes_by_states((*names, *exclude)):
            states = _states_of(self.project.plan())
        return select(self.project.graph, names, exclude, states)

    def failures(self) -> list[tuple[str, str]]:
        """The (node, key) of what failed when it was tried last; no file is looked at."""
        with self.read() as metastore:
            return metastore.failures()

    def paused(self) -> dict[str, Pause]:
        """What is paused now, by node; no file is looked at."""
        with self.read() as metastore:
            return pauses_of(metastore.noted(PAUSED), self.project.clock() // 10**9)

    def absent(self) -> dict[str, int]:
        """How many partitions of each source are absent; no file is looked at."""
        project = self.project
        sources = [name for name, d in project.graph.datasets.items() if d.is_source]
        with self.read() as metastore:
            cache = ColumnCache(metastore, project.store.layout.columns)
            columns = {name: cache.load(name, identities=False) for name in sources}
        numbers = {name: int((~each.content.any(axis=1)).sum()) for name, each in columns.items()}
        return {name: number for name, number in numbers.items() if number}

    def why(self, node: str, key: str) -> Why:
        """The state of one partition, the reasons for it, and what it was made from."""
        from partflow.operations.explain import explain

        project = self.project
        about = Asked((node,) if node in project.graph.nodes else ())
        with self.read() as metastore:
            seen = self.observe(metastore, Verify.STAT, about)
            whole = self.planned(seen, Asked(), None)
            return explain(whole, seen, metastore, project.codes, (node, key), project.store.layout)

    def acceptable(self, asked: Asked, *, absent: bool) -> Acceptance:
        """What `accept` would come to."""
        with self.read() as metastore:
            seen = self.observe(metastore, Verify.STAT, asked)
        decided = self.planned(seen, asked, None, with_effects=True)
        return self.acceptance(decided, seen, absent=absent)

    def acceptance(self, decided: Plan, seen: Observed, *, absent: bool) -> Acceptance:
        """What of a plan can be accepted; with `absent` that partitions of sources do not come.

        UsageError as of `absences`.
        """
        from partflow.operations.acceptable import Acceptance, acceptable
        from partflow.operations.acceptsource import absences, smaller_sets

        if absent:
            return Acceptance(decided, (), {}, absences(decided))
        store = self.project.store
        return replace(acceptable(decided, seen, store), of_sources=smaller_sets(decided, store))

    def read(self) -> AbstractContextManager[Metastore]:
        """The metastore, to look at; MetastoreError if it is lost and the data is not."""
        return self.project.metastore.looked_at()

    def observe(
        self,
        metastore: Metastore,
        verify: Verify,
        asked: Asked,
        frames: HandOver | None = None,
        only: Collection[str] | None = None,
    ) -> Observed:
        """What files and record hold of all that decides what is done for `asked`.

        Of other nodes than those of `only`, if given, the record is trusted.
        """
        project = self.project
        codes = {task: code.digest for task, code in project.codes.items()}
        now = project.clock()
        only = needed_for(project.graph, asked) if only is None else only
        seen = observe(
            project.graph, codes, metastore, project.store, now, verify, frames, only,
            may_give_up=project.may_give_up,
        )  # fmt: skip
        perhaps = effects_cut_off(project.graph, metastore, project.history.leases.is_held)
        older = self._older(metastore)
        paused = pauses_of(metastore.noted(PAUSED), seen.snapshot.now)
        since = since_of(project.graph, metastore.noted(EXPECTED))
        asked_about = books_of(project.store.layout, project.graph)
        seen.snapshot = replace(
            seen.snapshot, older=older, perhaps_done=perhaps, paused=paused, expected_since=since,
            asked=asked_about,
        )  # fmt: skip
        return seen

    def planned(
        self, seen: Observed, asked: Asked, force: Force | None, *, with_effects: bool = False
    ) -> Plan:
        """The plan of what is asked for, from what was seen; UsageError as of `request_of`."""
        graph = self.project.graph
        states: Mapping[str, frozenset[str]] = {}
        if goes_by_states((*asked.select, *asked.exclude)):
            states = _states_of(plan(graph, seen.snapshot, Request()))
        request = request_of(graph, asked, states, force, with_effects=with_effects)
        return plan(graph, seen.snapshot, request)

    def restored(self, saved: SavedPlan, seen: Observed, log: RunLog) -> Plan:
        """A saved plan on what is there now; UsageError if that is not what it rests on."""
        from partflow.planning.savedplan import moved, refusal, restored

        graph = self.project.graph
        problems = moved(saved, graph, seen.snapshot)
        if problems:
            ran = [f"{row.id} ({row.command})" for row in log.since(saved.version)]
            raise UsageError(refusal(saved, problems, ran))
        return restored(saved, graph, seen.snapshot)

    def _older(self, metastore: Metastore) -> dict[str, tuple[str, ...]]:
        """For each task the fingerprints that its code has under older rules, if it has others now.

        One that was recorded under later rules is left out: the code had it under those, too, and
        has another now, so that the code itself has changed.
        """
        older = {}
        for name, code in self.project.codes.items():
            known = metastore.code_rules(digest for _, digest in code.older)
            digests = tuple(d for rules, d in code.older if known.get(d, rules) <= rules)
            older.update({name: digests} if digests else {})
        return older


def _states_of(whole: Plan) -> Mapping[str, frozenset[str]]:
    from partflow.planning.status import states_of

    return states_of(whole)
