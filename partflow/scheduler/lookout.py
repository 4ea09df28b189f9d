"""Looks at a project's warehouse for what runs by itself, and carries runs of it out.

Knows nothing of when either is to be done. What was seen at the last full look is kept: a look at
what may still change, that finds all of it as it was, gives the last outlook once more.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import numpy as np

from partflow.declarations.graph import Graph, outputs
from partflow.execution.controls import Controls, Result
from partflow.metastore.journal import note
from partflow.metastore.protocol import Metastore
from partflow.metastore.runlog import is_own
from partflow.planning.footprint import Footprint
from partflow.planning.plan import Automatic, Plan, Request
from partflow.planning.planner import plan
from partflow.planning.portion import portion, request_for
from partflow.planning.selection import Asked
from partflow.planning.selectors import select
from partflow.planning.snapshot import Condition, Snapshot
from partflow.project.looking import Looking
from partflow.project.project import Project
from partflow.scheduler.failures import failed_steps, failing_tasks
from partflow.scheduler.outlook import Outlook
from partflow.scheduler.outlooks import Prospect, outlook_of, prospect, steps_of
from partflow.scheduler.restless import Restless, restless_of
from partflow.scheduler.tries import Memory, with_failures, without_what_is_over
from partflow.scheduler.trynotes import TRIED, changed_notes, noted_memory
from partflow.warehouse.filelook import Observed
from partflow.warehouse.verify import Verify

_LATE = 60
"""So many seconds later than it should a look may come, if much is to be done."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the last look saw: it holds as long as nothing of this has changed."""

    outlook: Outlook
    restless: Restless
    suspects: frozenset[str]
    might_give_up: bool


@dataclass(slots=True)
class Lookout:
    """The looks and runs of one project; `graph` is the digest of its graph and code.

    What is stale by its code alone is made only of the tasks in `recompute`.
    """

    project: Project
    graph: str
    recompute: frozenset[str]
    _last: _Seen | None = field(default=None, init=False)
    _looked_at: int = field(default=0, init=False)

    @classmethod
    def of(cls, project: Project, graph: str) -> Lookout:
        """That of a loaded project; UsageError if `recompute` names what there is not."""
        words = project.config.scheduler.recompute
        return cls(project, graph, recomputed(project.graph, words))

    def look(self, *, at_all: bool) -> Outlook:
        """What could be made now, what is wrong, and when time alone changes that.

        MetastoreError or OSError if the record or the disk do not let it look.
        """
        project, looking = self.project, Looking(self.project)
        project.ask_sources(at_most=project.config.scheduler.look_within.total_seconds() / 2)
        now, last = project.clock(), self._last
        project.may_give_up = self._goes_on(now)
        with looking.read() as metastore:
            if not at_all and last is not None and self._holds(last, metastore, now):
                return replace(last.outlook, at=now / 1e9)
            sources = None if at_all or last is None else self._restless_nodes(last)
            seen = looking.observe(metastore, Verify.STAT, Asked(), only=sources)
            memory = noted_memory(metastore.noted(TRIED))
            restless = restless_of(project, metastore, seen, now)
        found = self._prospect(seen.snapshot, memory)
        all_at = now / 1e9 if sources is None or last is None else last.outlook.looked_at_all
        outlook = outlook_of(found, now / 1e9, looked_at_all=all_at, graph=self.graph)
        suspects = _suspects(project.graph, seen)
        self._last = _Seen(outlook, restless, suspects, project.may_give_up)
        return outlook

    def _goes_on(self, now: int) -> bool:
        """Whether this look follows another as it should: then what is overdue may be given up.

        After a start, a suspend or a jump of the clock it does not, and a folder may not be there
        yet. By the next look whatever mounts it has had its time.
        """
        last, self._looked_at = self._looked_at, now
        span = self.project.config.scheduler.look_every.total_seconds()
        return last <= now <= last + round((2 * span + _LATE) * 10**9)

    def make(self, at_most: int, controls: Controls) -> Result:
        """Make at most so many of the steps that are due; raises as `Project.materialize`.

        What becomes of it is for `remember`.
        """
        with Looking(self.project).read() as metastore:
            memory = noted_memory(metastore.noted(TRIED))

        def planned(snapshot: Snapshot) -> Plan:
            whole = self._prospect(snapshot, memory).plan
            request = request_for(whole, portion(whole, at_most))
            return plan(self.project.graph, snapshot, request)

        return self.project.make(planned, controls)

    def _prospect(self, snapshot: Snapshot, memory: Memory) -> Prospect:
        automatic = Automatic(self.recompute, busy=self._busy())
        now = self.project.clock() / 1e9
        return prospect(self.project.graph, snapshot, automatic, memory, now)

    def _busy(self) -> tuple[Footprint, ...]:
        """What the runs of other processes touch now."""
        living = self.project.history.leases.living().values()
        return tuple(lease.footprint for lease in living if not is_own(lease.owner))

    def remember(self, result: Result) -> None:
        """Note what failed in a run with which inputs and code, and forget what is over.

        MetastoreError or OSError if the record or the disk do not let it.
        """
        project, looking = self.project, Looking(self.project)
        with looking.read() as metastore:
            is_empty = not metastore.noted(TRIED)
        if is_empty and (result.summary is None or not result.summary.failures):
            return
        with project.metastore.opened() as metastore:
            before = noted_memory(metastore.noted(TRIED))
            seen = looking.observe(metastore, Verify.RECORD, Asked())
            anything = Request(automatic=Automatic(self.recompute))
            whole = plan(project.graph, seen.snapshot, anything)
            steps = steps_of(whole, before.keys() | failing_tasks(result))
            failed = failed_steps(result, steps)
            after = with_failures(before, failed, project.clock() / 1e9)
            after = without_what_is_over(after, steps)
            note(metastore, project.store, TRIED, changed_notes(before, after))

    def _holds(self, last: _Seen, metastore: Metastore, now: int) -> bool:
        """Whether a look would see what the last one saw."""
        until, at = last.outlook.changes_at, now / 1e9
        if last.suspects or at < last.outlook.at or (until is not None and at >= until):
            return False
        if self.project.may_give_up and not last.might_give_up:
            return False
        return last.restless.is_as_it_was(self.project, metastore, now)

    def _restless_nodes(self, last: _Seen) -> Collection[str]:
        """The nodes whose files a look has to look at: sources, and what was found changed."""
        datasets = self.project.graph.datasets
        return {n for n, d in datasets.items() if d.is_source or n in last.suspects}


def recomputed(graph: Graph, words: tuple[str, ...]) -> frozenset[str]:
    """The tasks that a selection names; none if it is empty. UsageError as of `select`."""
    if not words:
        return frozenset()
    nodes = set(select(graph, words))
    return frozenset(task.name for task in graph.tasks if nodes & set(outputs(task)))


def _suspects(graph: Graph, seen: Observed) -> frozenset[str]:
    """The datasets of tasks of which a file was found to be not as it is recorded."""
    states = seen.snapshot.states
    return frozenset(
        name
        for name, dataset in graph.datasets.items()
        if not dataset.is_source
        and (~np.isin(states[name].condition, (Condition.GOOD, Condition.ABSENT))).any()
    )
