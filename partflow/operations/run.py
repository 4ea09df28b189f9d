"""Carries one plan out as one run, from the run's first line in the log to its last.

Knows nothing of how the plan was made, or of who may run: the caller holds the lease.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from partflow.declarations.graphdocument import graph_text
from partflow.metastore.pools import Boundless, Pools
from partflow.metastore.protocol import Metastore
from partflow.metastore.record import RunRow
from partflow.metastore.runlog import RunLog
from partflow.planning.firstseen import caught_up_from
from partflow.planning.planner import task_span
from partflow.planning.selection import scopes
from partflow.planning.upstream import is_ahead
from partflow.process.machine import free_memory
from partflow.process.surroundings import working_in
from partflow.store.protocol import Store

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from partflow.execution.controls import Controls, Summary
    from partflow.execution.executors.protocol import Executor
    from partflow.planning.planner import Plan

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Carrier:
    """What carrying out needs; `clock` gives epoch nanoseconds.

    `executor` and `places` are closed at the end of the run. `pools` gives each pool's number of
    places by name, and `places` has those that the run takes.
    A task that failed `alike` times in a row in the same way is left for the rest of the run.
    """

    root: Path
    store: Store
    metastore: Metastore
    log: RunLog
    executor: Executor
    clock: Callable[[], int]
    pools: Mapping[str, int] = field(default_factory=dict)
    alike: int = 20
    places: Pools = field(default_factory=Boundless)

    def carry_out(
        self,
        plan: Plan,
        row: RunRow,
        controls: Controls,
        stats: Mapping[str, NDArray[np.int64]],
    ) -> Summary:
        """Run a plan's steps; the log says how the run ended, even if this raises.

        `stats` is what the plan saw of the files: see `KnownFiles`. PublishError as for
        `Runner.carry_out`.
        """
        from partflow.execution.controls import Quiet
        from partflow.execution.knownfiles import KnownFiles
        from partflow.execution.publisher import Publisher
        from partflow.execution.runner import Runner
        from partflow.execution.sizing import batch_bytes, widths
        from partflow.execution.state import Tuning
        from partflow.execution.turns import Turns

        self.log.begin(
            replace(row, request=_asked_for(plan)),
            graph_text(plan.graph, plan.snapshot.codes),
        )
        publisher = Publisher(
            row.id, plan, self.store, self.metastore, self._now, controls.newest_first
        )
        size = controls.batch_size
        tuning = Tuning(
            controls.newest_first, controls.retries, self.pools, size,
            batch_bytes(free_memory(), self.executor.workers), widths(plan, self.store, size),
        )  # fmt: skip
        runner = Runner(
            row.id, publisher, self.log, self.executor, plan.snapshot.codes, self._now,
            controls.observer or Quiet(), controls.stop, KnownFiles(plan, stats), tuning,
            controls.fail_fast, self.alike, controls.gives_back,
            Turns(self.places, controls.waiting),
        )  # fmt: skip
        try:
            with working_in(self.root):
                summary = runner.carry_out(plan)
        except BaseException:
            self.log.cut_off(row.id, self._now())
            raise
        finally:
            self.executor.close()
            self.places.close()
            publisher.sweep()
        self.log.finish(_ended(row, summary, self._now()))
        return summary

    def _now(self) -> float:
        return self.clock() / 1e9


def _ended(row: RunRow, summary: Summary, at: float) -> RunRow:
    return replace(
        row,
        finished_at=at,
        state="failed" if summary.failed else "interrupted" if summary.cancelled else "done",
        ran=summary.ran,
        unchanged=summary.unchanged,
        skipped=summary.skipped,
        failed=summary.failed,
        blocked=summary.blocked,
        cancelled=summary.cancelled,
    )


def _asked_for(plan: Plan) -> str:
    """A plan's request in words: `everything`, or names with their first and last partition."""
    again = "" if plan.request.force is None else " again"
    if plan.request.wanted is None:
        return f"everything{again}"
    asked = scopes(plan.graph, plan.request, plan.snapshot.now)
    texts = [f"{s.node} {s.first}" + (f" .. {s.last}" if s.count > 1 else "") for s in asked]
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return f"{', '.join(texts[:_NAMED])}{more}{again}"


def seen_ahead(plan: Plan) -> frozenset[str]:
    """The effects that were first seen while a clock was ahead, and get a new beginning."""
    since = plan.snapshot.effects_since
    return frozenset(
        t.name
        for t in plan.graph.tasks
        if t.name in since and is_ahead(t, since[t.name], plan.snapshot.now)
    )


def newest(plan: Plan) -> dict[str, int]:
    """The newest due ordinal of each effect, from which on it runs if it was not seen before.

    And of each task with `catchup=False`, of which it is that from which on all is made.
    """
    effects = caught_up_from(plan)
    for task in plan.graph.tasks:
        if task.is_effect:
            planned = plan.tasks[task.name]
            _, hi = task_span(plan.graph, task, plan.snapshot.now)
            effects[task.name] = (planned.hi if len(planned.state) else hi) - 1
    return effects
