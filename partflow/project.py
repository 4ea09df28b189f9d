"""Wires the parts together: configuration, the user's modules, the clock; the one place that does.

Decides nothing: plans come from `plan`, runs from `execution`. All that the commands do is here, so
that a notebook can do it too.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from partflow.code import CodeFingerprint, CodeReader
from partflow.columns import ColumnCache
from partflow.config import Config, find_root, read_config
from partflow.errors import UsageError
from partflow.graph import Graph, derive
from partflow.lease import held
from partflow.loading import load_jobs
from partflow.metastore import Metastore
from partflow.modules import ProjectModules
from partflow.observe import Observed, Verify, observe, recover
from partflow.plan import Force, Only, Plan, Request, plan, task_span
from partflow.runlog import RunLog, RunRow, StepLog, begun, new_run_id
from partflow.selection import Asked, request_of
from partflow.store import CLOCK_STEP_NS, Store

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from partflow.catalog import View
    from partflow.execution.summary import Observer, Summary
    from partflow.explanation import Why
    from partflow.status import Status


class Project:
    """One project: its graph, its warehouse, and all that the commands do."""

    def __init__(
        self, root: Path, config: Config, graph: Graph, overrides: Mapping[str, str]
    ) -> None:
        self.root = root
        self.config = config
        self.graph = graph
        self.overrides = overrides
        self.store = Store(root, root / config.warehouse, durable=config.durability == "full")
        self.clock: Callable[[], int] = time.time_ns

    @classmethod
    def load(cls, path: str | Path = ".", *, overrides: Mapping[str, str] | None = None) -> Project:
        """The project that `path` lies in, with its modules imported and its graph derived."""
        root = find_root(Path(path).resolve())
        config = read_config(root, os.environ, overrides or {})
        tasks, datasets = load_jobs(root, config.jobs)
        return cls(root, config, derive(tasks, datasets), overrides or {})

    @property
    def metastore_path(self) -> Path:
        """Where the metastore lies."""
        configured = self.config.metastore
        return self.root / configured if configured else self.store.private / "metastore.sqlite"

    @functools.cached_property
    def codes(self) -> Mapping[str, CodeFingerprint]:
        """Each task's present code fingerprint, by its name."""
        modules = ProjectModules(self.root)
        reader = CodeReader(modules.source, modules.sql)
        return {t.name: reader.fingerprint(t.function, t.declared) for t in self.graph.tasks}

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
        with Metastore.open_existing(self.metastore_path) as metastore:
            seen = self._observe(metastore, verify)
        return self._plan(seen, asked or Asked(select), force, with_effects=with_effects)

    def status(self) -> tuple[Status, ...]:
        """For each dataset and effect its states, rows and bytes."""
        from partflow.status import statuses

        return statuses(self.plan())

    def why(self, node: str, key: str) -> Why:
        """The state of one partition, the reasons for it, and what it was made from."""
        from partflow.explanation import explain

        with Metastore.open_existing(self.metastore_path) as metastore:
            seen = self._observe(metastore, Verify.STAT)
            found = self._plan(seen, Asked(), None)
            return explain(found, seen, metastore, self.codes, (node, key))

    def runs(self, limit: int = 20) -> list[RunRow]:
        """The last runs, the newest first."""
        with Metastore.open_existing(self.metastore_path) as metastore:
            return RunLog(metastore).runs(limit)

    def steps(self, run: str) -> list[StepLog]:
        """Every attempt of a run."""
        with Metastore.open_existing(self.metastore_path) as metastore:
            return RunLog(metastore).steps(run)

    # --- making ------------------------------------------------------------------------------

    def materialize(
        self,
        *select: str,
        asked: Asked | None = None,
        with_effects: bool = False,
        controls: Controls | None = None,
    ) -> Result:
        """Make what is missing or stale among the selected (all if none), and what that needs."""
        return self._run(asked or Asked(select), None, controls or Controls(), with_effects)

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
        text = wanted.words(only)

        def force(log: RunLog) -> Force:
            return Force(only, log.request(text, self.clock() / 1e9, again=again))

        found = self._run(wanted, force, controls or Controls(), with_effects=False)
        if found.summary is None or not (
            found.summary.failed or found.summary.blocked or found.summary.cancelled
        ):
            with Metastore.open(self.metastore_path) as metastore:
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
        with Metastore.open_existing(self.metastore_path) as metastore:
            since = None if again else RunLog(metastore).open_request(asked.words(only))
            force = Force(only) if since is None else Force(only, since)
            return self._plan(self._observe(metastore, verify), asked, force)

    def _run(
        self,
        asked: Asked,
        force: Callable[[RunLog], Force] | None,
        controls: Controls,
        with_effects: bool,  # noqa: FBT001 - private
    ) -> Result:
        idle = self._idle(asked, force, controls, with_effects=with_effects)
        if idle is not None:
            return Result(idle, None)
        run = new_run_id(self.clock())
        owner = f"run {run} of {_user()}@{socket.gethostname()}, process {os.getpid()}"
        lease = held(
            self.store.private / "run.lock", owner, wait=controls.wait, waiting=controls.waiting
        )
        with lease, Metastore.open(self.metastore_path, durable=self.store.durable) as metastore:
            recover(metastore, self.store, self.graph)
            seen = self._observe(metastore, controls.verify)
            if seen.is_unsettled:
                time.sleep(CLOCK_STEP_NS / 1e9)  # then what was read can be trusted by its stat
                seen = self._observe(metastore, controls.verify)
            log = RunLog(metastore)
            found = self._plan(
                seen, asked, None if force is None else force(log), with_effects=with_effects
            )
            if seen.news or seen.touched:
                metastore.observe(seen.news, seen.touched)
            if not found.steps:
                self._write_catalog(found, only_missing=True)
                return Result(found, None)
            row = begun(run, controls.command, self.clock() / 1e9, socket.gethostname(), _user())
            summary = self._carried_out(found, metastore, log, row, controls)
            self._write_catalog(found)
            ColumnCache(metastore, self.store.columns).refresh(self.graph.nodes)
        return Result(found, summary)

    def _idle(
        self,
        asked: Asked,
        force: Callable[[RunLog], Force] | None,
        controls: Controls,
        *,
        with_effects: bool,
    ) -> Plan | None:
        """The plan, if there is nothing to do: then no lease is taken and no file written."""
        if force is not None or not self.metastore_path.exists():
            return None
        with Metastore.open_existing(self.metastore_path) as metastore:
            if metastore.intents():
                return None
            seen = self._observe(metastore, controls.verify)
        found = self._plan(seen, asked, None, with_effects=with_effects)
        return None if found.steps or seen.news or seen.touched else found

    def _carried_out(
        self, found: Plan, metastore: Metastore, log: RunLog, row: RunRow, controls: Controls
    ) -> Summary:
        from partflow.execution.publisher import Publisher
        from partflow.execution.runner import Runner
        from partflow.execution.summary import Quiet

        codes = {t: c.digest for t, c in self.codes.items()}
        metastore.begin(
            {c.digest: dict(c.parts) for c in self.codes.values()}, _newest_effects(found)
        )
        log.begin(row)
        executor = self._executor(controls.workers)

        def now() -> float:
            return self.clock() / 1e9

        publisher = Publisher(row.id, found, self.store, metastore, now)
        runner = Runner(
            row.id, publisher, log, executor, codes, now, controls.observer or Quiet(),
            controls.stop, fail_fast=controls.fail_fast,
        )  # fmt: skip
        try:
            with contextlib.chdir(self.root):
                summary = runner.carry_out(found)
        except BaseException:
            log.finish(replace(row, finished_at=now(), state="interrupted"))
            raise
        finally:
            executor.close()
            self.store.sweep(row.id, {i.staged for i in metastore.intents() if i.staged})
        state = "failed" if summary.failed else "interrupted" if summary.cancelled else "done"
        log.finish(
            replace(
                row,
                finished_at=now(),
                state=state,
                ran=summary.ran,
                unchanged=summary.unchanged,
                skipped=summary.skipped,
                failed=summary.failed,
                blocked=summary.blocked,
            )
        )
        return summary

    def _executor(self, workers: int) -> Any:
        from partflow.execution.executors import InlineExecutor, ProcessExecutor

        if workers <= 1 and self.config.executor != "processes":
            return InlineExecutor(self.graph, self.store)
        load = functools.partial(load_worker, self.root, tuple(self.overrides.items()))
        return ProcessExecutor(load, max(workers, 1))

    # --- reading -----------------------------------------------------------------------------

    def read(self, name: str, start: str | None = None, end: str | None = None) -> pl.LazyFrame:
        """The partitions of a dataset that are there and overlap `[start, end)`, in order."""
        from partflow.reading import read_dataset

        asked = Asked((name,), start=start, end=end)
        return read_dataset(self.graph, self.store, asked, self.clock() // 1_000_000_000)

    def sql(self, text: str) -> duckdb.DuckDBPyRelation:
        """One SELECT over all datasets as views; it only reads, and only what its filters need."""
        from partflow.catalog import query

        return query(self.root, self.views(), text)

    def views(self) -> list[View]:
        """Every table as a view for DuckDB."""
        from partflow.views import views_of

        return views_of(self.graph, self.store)

    def _write_catalog(self, found: Plan, *, only_missing: bool = False) -> None:
        from partflow.catalog import write_catalog

        path = self.store.warehouse / "catalog.duckdb"
        if only_missing and (path.exists() or not found.tasks):
            return
        write_catalog(self.root, path, self.views())

    # --- inside ------------------------------------------------------------------------------

    def _observe(self, metastore: Metastore, verify: Verify) -> Observed:
        codes = {t: c.digest for t, c in self.codes.items()}
        return observe(self.graph, codes, metastore, self.store, self.clock(), verify)

    def _plan(
        self,
        seen: Observed,
        asked: Asked,
        force: Force | None,
        *,
        with_effects: bool = False,
    ) -> Plan:
        words = (*asked.select, *asked.exclude)
        states: Mapping[str, frozenset[str]] = {}
        if any("status:" in w for w in words):
            from partflow.status import states_of

            states = states_of(plan(self.graph, seen.snapshot, Request()))
        request = request_of(self.graph, asked, states, force, with_effects=with_effects)
        return plan(self.graph, seen.snapshot, request)


def load_worker(root: Path, overrides: tuple[tuple[str, str], ...]) -> tuple[Graph, Store]:
    """The project once more, in a worker process, which works from the project's root."""
    os.chdir(root)
    project = Project.load(root, overrides=dict(overrides))
    return project.graph, project.store


def _newest_effects(found: Plan) -> dict[str, int]:
    """For each effect its newest due ordinal, which is where it begins if it was never seen."""
    newest = {}
    for task in found.graph.tasks:
        if task.is_effect:
            planned = found.tasks[task.name]
            _, hi = task_span(found.graph, task, found.snapshot.now)
            newest[task.name] = (planned.hi if len(planned.state) else hi) - 1
    return newest


def _user() -> str:
    import getpass

    with contextlib.suppress(OSError, KeyError):
        return getpass.getuser()
    return "?"
