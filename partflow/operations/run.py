"""Carries one plan out under one run's name, from its first line in the log to its last.

Knows nothing of how the plan came about, or of who may run: the caller holds the lease.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from partflow.declarations.graphdocument import graph_text
from partflow.metastore.protocol import Metastore
from partflow.metastore.record import RunRow
from partflow.metastore.runlog import RunLog
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
    """What carrying out needs; `clock` gives epoch nanoseconds, `executor` is closed at the end.

    `pools` are limits by name.
    """

    root: Path
    store: Store
    metastore: Metastore
    log: RunLog
    executor: Executor
    clock: Callable[[], int]
    pools: Mapping[str, int] = field(default_factory=dict)

    def carry_out(
        self,
        found: Plan,
        row: RunRow,
        controls: Controls,
        stats: Mapping[str, NDArray[np.int64]],
    ) -> Summary:
        """Run a plan's steps; what became of them is in the log, whatever happens.

        `stats` is what was seen of sources: see `Stamps`.
        """
        from partflow.execution.controls import Quiet
        from partflow.execution.publisher import Publisher
        from partflow.execution.runner import Runner
        from partflow.execution.sizing import batch_bytes, widths
        from partflow.execution.stamps import Stamps
        from partflow.execution.state import Tuning

        self.log.begin(
            replace(row, request=_asked_for(found)),
            graph_text(found.graph, found.snapshot.codes),
        )
        publisher = Publisher(
            row.id, found, self.store, self.metastore, self._now, controls.newest_first
        )
        size = controls.batch_size
        tuning = Tuning(
            controls.newest_first, controls.retries, self.pools, size,
            batch_bytes(free_memory(), controls.workers), widths(found, self.store, size),
        )  # fmt: skip
        runner = Runner(
            row.id, publisher, self.log, self.executor, found.snapshot.codes, self._now,
            controls.observer or Quiet(), controls.stop, Stamps(found, stats), tuning,
            controls.fail_fast,
        )  # fmt: skip
        try:
            with working_in(self.root):
                summary = runner.carry_out(found)
        except BaseException:
            self.log.cut_off(row.id, self._now())
            raise
        finally:
            self.executor.close()
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


def _asked_for(found: Plan) -> str:
    """What a plan is for, in words: `everything`, or names with their first and last partition."""
    again = "" if found.request.force is None else " again"
    if found.request.wanted is None:
        return f"everything{again}"
    asked = scopes(found.graph, found.request, found.snapshot.now)
    texts = [f"{s.node} {s.first}" + (f" .. {s.last}" if s.count > 1 else "") for s in asked]
    more = f" and {len(texts) - _NAMED} more" if len(texts) > _NAMED else ""
    return f"{', '.join(texts[:_NAMED])}{more}{again}"


def seen_ahead(found: Plan) -> frozenset[str]:
    """The effects that were first seen while a clock was ahead: where they begin is said anew."""
    since = found.snapshot.effects_since
    return frozenset(
        t.name
        for t in found.graph.tasks
        if t.name in since and is_ahead(t, since[t.name], found.snapshot.now)
    )


def newest(found: Plan) -> dict[str, int]:
    """For each effect its newest due ordinal, which is where it begins if it was never seen."""
    effects = {}
    for task in found.graph.tasks:
        if task.is_effect:
            planned = found.tasks[task.name]
            _, hi = task_span(found.graph, task, found.snapshot.now)
            effects[task.name] = (planned.hi if len(planned.state) else hi) - 1
    return effects
