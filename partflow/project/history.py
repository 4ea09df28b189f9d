"""What was run in one project: its runs, their attempts, graphs and logs.

Knows nothing of the user's modules. They are not imported, so that the history can be asked while
they are broken, and without waiting for them.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partflow.errors import UsageError, guess, understood
from partflow.metastore.record import RunRow, StepLog
from partflow.metastore.runlog import RunLog
from partflow.project.config import Config, find_root, read_config
from partflow.project.places import leases_of, metastore_of, store_of
from partflow.store.protocol import Store

if TYPE_CHECKING:
    from partflow.operations.cancel import End

LAST = "last"
_NAMED = 3


class History:
    """The runs of one project, as they were recorded; reading it writes nothing.

    Whatever asks the metastore raises MetastoreError if that cannot be opened or understood.
    """

    def __init__(self, root: Path, config: Config, store: Store | None = None) -> None:
        self.store = store or store_of(root, config)
        self.metastore = metastore_of(root, config, self.store)
        self.leases = leases_of(self.store)
        self.clock: Callable[[], int] = time.time_ns

    @classmethod
    def load(cls, path: str | Path = ".", *, overrides: Mapping[str, str] | None = None) -> History:
        """The history of the project that `path` lies in.

        ConfigurationError if it lies in none, or if the configuration is wrong.
        """
        root = find_root(path)
        return cls(root, read_config(root, os.environ, overrides or {}))

    def runs(self, limit: int = 20) -> list[RunRow]:
        """The last runs, the newest first."""
        with self._log() as log:
            return log.runs(limit, self.leases.is_held)

    def run(self, word: str) -> RunRow:
        """The run of that id, of the only id that begins so, or the `last` one.

        UsageError if there is none, or if several ids begin so.
        """
        rows = self.runs(1 if word == LAST else 2**62)
        if word == LAST:
            if rows:
                return rows[0]
            raise UsageError("nothing was run yet")
        matching = [r for r in rows if r.id == word] or [r for r in rows if r.id.startswith(word)]
        if len(matching) == 1 and word:
            return matching[0]
        if matching and word:
            named = ", ".join(r.id for r in matching[:_NAMED])
            more = f" and {len(matching) - _NAMED:,} more" if len(matching) > _NAMED else ""
            raise UsageError(f"{word!r} is the beginning of {named}{more}; name one of them")
        hint = guess(word, [r.id for r in rows], "`partflow runs` lists them")
        raise UsageError(f"there is no run {word!r}; {hint}")

    def steps(self, run: str) -> list[StepLog]:
        """Every attempt of a run, in the order in which they ended."""
        with self._log() as log:
            return log.steps(run)

    def graph(self, run: str) -> dict[str, Any] | None:
        """The graph that a run had, as `graph_document` makes it; None if it was not kept."""
        with self._log() as log:
            text = log.graph(run)
        with understood(f"the graph of the run {run}"):
            return None if text is None else dict(json.loads(text))

    def writers(self) -> dict[str, tuple[str, ...]]:
        """For every dataset, effect and task that was ever in a run, the tasks that make it."""
        writers: dict[str, set[str]] = {}
        with self._log() as log, understood("the graphs of its runs"):
            for name in log.tasks():
                writers.setdefault(name, set()).add(name)
            for document in map(json.loads, log.graphs()):
                for task in document["tasks"]:
                    for node in (task["name"], *task["writes"]):
                        writers.setdefault(node, set()).add(task["name"])
        return {name: tuple(sorted(tasks)) for name, tasks in writers.items()}

    def attempts(self, tasks: tuple[str, ...], key: str) -> list[tuple[str, StepLog]]:
        """Every attempt at a partition by one of the tasks, each with its run, newest run first."""
        with self._log() as log:
            return log.attempts(tasks, key)

    def keys(self, tasks: tuple[str, ...]) -> tuple[str, str] | None:
        """The first and the last key of what was attempted of the tasks; None if nothing was."""
        with self._log() as log:
            return log.keys(tasks)

    def log_of(self, run: str, step: StepLog) -> Path | None:
        """The file that holds what an attempt wrote; None if it wrote nothing, or it is gone."""
        path = self.store.layout.logs_of(run) / f"{step.serial}.log"
        return path if step.has_log and path.is_file() else None

    def cancel(self, row: RunRow, *, gently: bool = False) -> tuple[End, RunRow]:
        """End a run that goes on; how that went, and the run's row afterwards. See `Canceller`."""
        from partflow.operations.cancel import Canceller

        with self.metastore.opened() as metastore:
            log = RunLog(metastore)
            canceller = Canceller(log, self.leases.owner, lambda: self.clock() / 1e9)
            end = canceller.cancel(row, gently=gently)
            after = next(r for r in log.runs(2**62, self.leases.is_held) if r.id == row.id)
        return end, after

    def cut_off(self) -> RunRow:
        """The last run of this very process, which is over; records that if nobody has yet."""
        with self.metastore.opened() as metastore:
            log = RunLog(metastore)
            row = next(r for r in log.runs(2**62, lambda _: False) if r.pid == os.getpid())
            if row.finished_at is not None:
                return row
            log.cut_off(row.id, self.clock() / 1e9)
            return next(r for r in log.runs(2**62, lambda _: False) if r.id == row.id)

    @contextmanager
    def _log(self) -> Iterator[RunLog]:
        with self.metastore.looked_at() as metastore:
            yield RunLog(metastore)
