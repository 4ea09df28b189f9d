"""The log of runs in SQLite: what they did, their graphs, and which backfills were asked for.

Knows nothing of which runs go on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from typing import Any

from partflow.metastore.record import RunRow, StepLog
from partflow.metastore.sqlite.database import Database
from partflow.metastore.sqlite.rows import run_of, step_of
from partflow.metastore.sqlite.statements import Statements

_SQL = Statements("runs")
_RUNS, _STEPS = 8, 32
"""In so many of the newest runs so many of the last steps tell what a task's steps take."""
_COLUMNS = tuple(field.name for field in fields(RunRow))


class SqliteRuns(Database):
    """See `Runs`, `PastRuns`, `Costs` and `Requests`."""

    # --- what runs write: each is one transaction ----------------------------------------------

    def begin_run(self, row: RunRow, graph: str) -> None:
        """Record a run with its graph, whose digest is `row.graph`; equal graphs are kept once."""
        with self._transaction() as c:
            c.execute(_SQL["add_graph"], (row.graph, graph))
            c.execute(_SQL["begin"], _values(row))

    def annotate_run(self, run: str, note: str) -> bool:
        """Note on a run that has not ended who is about to end it; False if it had ended."""
        with self._transaction() as c:
            return bool(c.execute(_SQL["annotate"], (note, run)).fetchall())

    def finish_run(self, row: RunRow) -> None:
        """Record a run's end. One that did not do all it had to, and has a note, was cancelled."""
        with self._transaction() as c:
            c.execute(_SQL["finish"], _values(row))

    def bury_runs(self, living: Iterable[str]) -> None:
        """Record that those runs died that are recorded as running and are not among the living.

        Nothing is written if there is none. Requires: nobody takes a lease meanwhile.
        """
        alive = set(living)
        dead = [(run,) for (run,) in self._ask(_SQL["running"]) if run not in alive]
        if dead:
            with self._transaction() as c:
                c.executemany(_SQL["bury"], dead)

    def forget_runs(self, runs: Sequence[str]) -> None:
        """Forget runs with their attempts, and graphs that no other run had."""
        with self._transaction() as c:
            c.executemany(_SQL["forget_steps"], [(run,) for run in runs])
            c.executemany(_SQL["forget_run"], [(run,) for run in runs])
            c.execute(_SQL["forget_graphs"])

    # --- what was run --------------------------------------------------------------------------

    def run_rows(self, limit: int = -1, *, since: int | None = None) -> list[RunRow]:
        """The last runs as they are recorded, the newest first; all of them if `limit` is -1.

        With `since` it is all runs that made something after the materialization of that number.
        """
        if since is None:
            rows = self._ask(_SQL["runs"], (limit,))
        else:
            rows = self._ask(_SQL["runs_since"], (since,))
        return [self._counted(run_of(row)) for row in rows]

    def run_starts(self) -> list[tuple[str, str, float]]:
        """The (id, state, start in epoch seconds) of all runs, in the order of their recording."""
        rows = self._ask(_SQL["starts"])
        return [(str(run), str(state), float(at)) for run, state, at in rows]

    def steps(self, run: str) -> list[StepLog]:
        """Every attempt of a run, in the order in which they ended."""
        return [step_of(row) for row in self._ask(_SQL["steps"], (run,))]

    def attempts(self, tasks: Sequence[str], key: str) -> list[tuple[str, StepLog]]:
        """Every attempt at a partition by one of the tasks, each with its run, newest run first."""
        rows = self._ask(_SQL["attempts"], (json.dumps(list(tasks)), key))
        return [(str(row[0]), step_of(row[1:])) for row in rows]

    def attempted(self) -> dict[str, tuple[str, str]]:
        """For each task of which any run attempted a step, the first and the last key."""
        rows = self._ask(_SQL["attempted"])
        return {str(task): (str(first), str(last)) for task, first, last in rows}

    def took(self, tasks: Iterable[str]) -> dict[str, float]:
        """The mean seconds of the last steps that a run made of each task; absent: none is known.

        The newest run that made any of a task is looked for among the last few.
        """
        runs = [str(run) for (run,) in self._ask(_SQL["newest"], (_RUNS,))]
        seconds: dict[str, float] = {}
        for task in tasks:
            for run in runs:
                ((mean,),) = self._ask(_SQL["took"], (run, task, _STEPS))
                if mean is not None:
                    seconds[task] = float(mean)
                    break
        return seconds

    def graphs(self, run: str | None = None) -> list[str]:
        """Every graph that any run had; if `run` is given its graph alone, if that was kept."""
        rows = self._ask(_SQL["graphs"]) if run is None else self._ask(_SQL["graph"], (run,))
        return [str(document) for (document,) in rows]

    def _counted(self, row: RunRow) -> RunRow:
        """The row; of a run that recorded no end, what it did is counted from its attempts."""
        if row.finished_at is not None:
            return row
        rows = self._ask(_SQL["outcomes"], (row.id,))
        states = {str(state): int(str(number)) for state, number in rows}
        unchanged = states.get("unchanged", 0)
        made = states.get("made", 0) + unchanged
        return replace(row, ran=made, unchanged=unchanged, failed=states.get("failed", 0))

    # --- backfills -----------------------------------------------------------------------------

    def ask(self, text: str, since: int, at: float) -> None:
        """Record a request of `at` epoch seconds; it replaces an open one of the same words."""
        with self._transaction() as c:
            c.execute(_SQL["drop_request"], (text,))
            c.execute(_SQL["add_request"], (text, since, int(at)))

    def open_request(self, text: str) -> int | None:
        """From which number on partitions count as done for an open request; None if none is."""
        rows = self._ask(_SQL["open_request"], (text,))
        return int(str(rows[0][0])) if rows else None

    def fulfil(self, text: str, at: float) -> None:
        """Close a request: the same words make a new one from now on."""
        with self._transaction() as c:
            c.execute(_SQL["close_request"], (int(at), text))


def _values(row: RunRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in _COLUMNS}
