"""Records what runs did and which backfills were asked for, beside what is current.

Knows nothing of plans or of what partitions hold. Nothing is decided by it, but that a backfill
that was cut off goes on.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace

from partflow.metastore.protocol import RunRecord
from partflow.metastore.record import LogLines, RunRow, StepLog


class RunLog:
    """The runs, attempts and requests of one metastore."""

    def __init__(self, metastore: RunRecord) -> None:
        self._metastore = metastore

    # --- what a run writes -------------------------------------------------------------------

    def begin(self, row: RunRow, graph: str) -> None:
        """Record that a run has begun with this graph, a text of `graph_text`."""
        digest = hashlib.blake2b(graph.encode(), digest_size=16).hexdigest()
        self._metastore.begin_run(replace(row, state="running", graph=digest), graph)

    def bury(self, living: Collection[str]) -> None:
        """Record that those runs died that are recorded as running and are not among the living.

        Requires: nobody takes a lease meanwhile.
        """
        self._metastore.bury_runs(living)

    def steps_ended(self, run: str, at: float, steps: Sequence[StepLog]) -> None:
        """Record that attempts of a run ended `at` epoch seconds."""
        self._metastore.log(LogLines(run, at, steps))

    def finish(self, row: RunRow) -> None:
        """Record a run's end. One that did not do all it had to, and has a note, was cancelled."""
        self._metastore.finish_run(row)

    def cut_off(self, run: str, at: float) -> None:
        """Record that a run was interrupted: what it did is counted from its attempts."""
        (row,) = [row for row in self._metastore.run_rows() if row.id == run]
        self.finish(replace(row, finished_at=at, state="interrupted"))

    def annotate(self, run: str, note: str) -> bool:
        """Note on a run that has not ended who is about to end it; False if it had ended."""
        return self._metastore.annotate_run(run, note)

    # --- what was run ------------------------------------------------------------------------

    def runs(self, limit: int, is_held: Callable[[str], bool]) -> list[RunRow]:
        """The last runs, the newest first; `is_held` says whether a run has its lease.

        The newest is the one that was recorded last, whatever the clock said.

        A run that died is recorded as running until the next one begins, but holds no lease. A run
        may end between the two questions; then its end is recorded, so the rows are read again.
        """
        rows = self._metastore.run_rows(limit)
        gone = {row.id for row in rows if row.state == "running" and not is_held(row.id)}
        if not gone:
            return rows
        return [
            replace(row, state="cancelled" if row.note else "interrupted")
            if row.state == "running" and row.id in gone
            else row
            for row in self._metastore.run_rows(limit)
        ]

    def since(self, seq: int) -> list[RunRow]:
        """The runs that made something after the materialization of that number, newest first."""
        return self._metastore.run_rows(since=seq)

    def graph(self, run: str) -> str | None:
        """The graph that a run had, as it was given to `begin`; None if it was not kept."""
        return next(iter(self._metastore.graphs(run)), None)

    def graphs(self) -> list[str]:
        """Every graph that any run had."""
        return self._metastore.graphs()

    def tasks(self) -> list[str]:
        """The tasks of which any run attempted a step, sorted."""
        return sorted(self._metastore.attempted())

    def keys(self, tasks: Sequence[str]) -> tuple[str, str] | None:
        """The first and the last key of what was attempted of the tasks; None if nothing was."""
        attempted = self._metastore.attempted()
        ranges = [attempted[task] for task in tasks if task in attempted]
        if not ranges:
            return None
        return min(first for first, _ in ranges), max(last for _, last in ranges)

    def attempts(self, tasks: Sequence[str], key: str) -> list[tuple[str, StepLog]]:
        """Every attempt at a partition by one of the tasks, each with its run, newest run first."""
        return self._metastore.attempts(tasks, key)

    def steps(self, run: str) -> list[StepLog]:
        """Every attempt of a run, in the order in which they ended."""
        return self._metastore.steps(run)

    # --- forgetting --------------------------------------------------------------------------

    def ended_before(self, at: float, now: float) -> list[str]:
        """The runs that began before a moment in epoch seconds and go on no more.

        A run counts as begun no earlier than those that were recorded before it, whatever its clock
        said. A time later than `now` is a wrong clock's, and does not count.
        """
        ended, began = [], None
        for run, state, started_at in self._metastore.run_starts():
            if started_at <= now:
                began = started_at if began is None else max(began, started_at)
            if state != "running" and (now if began is None else began) < at:
                ended.append(run)
        return sorted(ended)

    def newest_before(self, now: float) -> float | None:
        """When the last run up to `now` began, both in epoch seconds; None if none did."""
        return max((at for _, _, at in self._metastore.run_starts() if at <= now), default=None)

    def forget(self, runs: Sequence[str]) -> None:
        """Forget runs with their attempts, and graphs that no other run had."""
        if runs:
            self._metastore.forget_runs(runs)

    # --- backfills ---------------------------------------------------------------------------

    def request(self, text: str, at: float, *, again: bool) -> int:
        """From which number on partitions count as done for a request of this text.

        That is the number of an open request. If none is open, or `again`, a new one is recorded.
        """
        since = None if again else self.open_request(text)
        if since is None:
            since = self._metastore.seq + 1
            self._metastore.ask(text, since, at)
        return since

    def failures(self) -> list[tuple[str, str]]:
        """The (node, key) of all partitions whose last attempt failed."""
        return self._metastore.failures()

    def open_request(self, text: str) -> int | None:
        """As `request`, but nothing is recorded: None if none is open."""
        return self._metastore.open_request(text)

    def fulfil(self, text: str, at: float) -> None:
        """Close a request: the same words make a new one from now on."""
        self._metastore.fulfil(text, at)


def new_run_id(now_ns: int) -> str:
    """A name for a run that sorts by time: `20261121-210501-3f9a`."""
    moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now_ns // 1_000_000_000))
    return f"{moment}-{os.urandom(2).hex()}"


def begun(run: str, command: str, at: float, request: str = "") -> RunRow:
    """The row of a run that this process has just begun; `request` says what was asked for."""
    return RunRow(
        run, command, at, None, "running", 0, 0, 0, 0, 0, host(), user(),
        pid=os.getpid(), request=request,
    )  # fmt: skip


def owner_of(run: str) -> str:
    """Who holds the lease of a run while this process is at it, as others are told."""
    return f"run {run} of {user()}@{host()}, process {os.getpid()}"


def is_own(owner: str) -> bool:
    """Whether an owner, as `owner_of` says it, is this process."""
    return owner.endswith(f"@{host()}, process {os.getpid()}")


def is_worker_of(owner: str) -> bool:
    """Whether this process is a worker of the run of that owner, which waits for its answers."""
    from multiprocessing import current_process

    # While a worker imports the main script it does not know its parent by multiprocessing yet.
    parent = f"@{host()}, process {os.getppid()}"
    return current_process().name.startswith("partflow worker") and owner.endswith(parent)


def host() -> str:
    """The name of this machine, as others are told."""
    return os.uname().nodename  # As `socket` has it, whose import takes two milliseconds.


def user() -> str:
    """Who this process works for, as others are told."""
    with suppress(OSError, KeyError):
        return getpass.getuser()
    return "?"
