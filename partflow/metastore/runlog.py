"""What runs did and which backfills were asked for: the log beside what is current.

Knows nothing of plans or partitions' contents; no decision reads it but that a backfill goes on.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import socket
import time
import uuid
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from partflow.errors import understood
from partflow.metastore.record import require_moment
from partflow.metastore.sqlite.metastore import Metastore

if TYPE_CHECKING:
    import apsw


@dataclass(frozen=True, slots=True)
class StepLog:
    """What became of one attempt at a step, and what it cost.

    `serial` is the attempt's own number in its run. `began_at` is in epoch seconds, `seconds` and
    `cpu` are seconds of wall and of processor, `memory` is the high-water mark of its worker's
    process in bytes, `worker` the number of that process. What is not known is 0.
    """

    task: str
    key: str
    attempt: int
    state: str
    reason: str
    seconds: float
    message: str | None = None
    serial: int = 0
    began_at: float = 0.0
    cpu: float = 0.0
    memory: int = 0
    rows_in: int = 0
    bytes_in: int = 0
    rows_out: int = 0
    bytes_out: int = 0
    worker: int = 0
    has_log: bool = False


_STEP = ", ".join(field.name for field in fields(StepLog))
_STEP_OF_RUN = ", ".join(f"steps.{field.name}" for field in fields(StepLog))


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run; `state` is running, done, failed, interrupted or cancelled.

    Times are in epoch seconds. Partitions are counted; those of a run that goes on, or that died,
    are counted from its attempts, and then nobody knows how many were skipped or blocked. `pid` is
    the process on `host` that carries it out, 0 if that was not noted; `request` what was asked
    for, in words; `note` who ended it from outside; `graph` names the graph that it had.
    """

    id: str
    command: str
    started_at: float
    finished_at: float | None
    state: str
    ran: int
    unchanged: int
    skipped: int
    failed: int
    blocked: int
    host: str
    owner: str
    cancelled: int = 0
    pid: int = 0
    request: str = ""
    note: str = ""
    graph: str | None = None


_RUN = ", ".join(field.name for field in fields(RunRow))


class RunLog:
    """The runs, attempts and requests of one metastore."""

    def __init__(self, metastore: Metastore) -> None:
        self._metastore = metastore

    # --- what a run writes -------------------------------------------------------------------

    def begin(self, row: RunRow, graph: str) -> None:
        """A run has begun, with this graph (the text of `graph_text`); equal ones are kept once."""
        digest = hashlib.blake2b(graph.encode(), digest_size=16).hexdigest()
        given = replace(row, state="running", graph=digest)
        with self._metastore.transaction() as c:
            c.execute("INSERT OR IGNORE INTO graphs VALUES (?, ?)", (digest, graph))
            c.execute(
                f"INSERT INTO runs ({_RUN}) "  # noqa: S608 - own names only
                f"VALUES ({_marks(fields(RunRow))})",
                tuple(getattr(given, field.name) for field in fields(RunRow)),
            )

    def bury(self, living: Collection[str]) -> None:
        """Runs that hold no lease any more died, perhaps because somebody killed them.

        Requires: nobody takes a lease meanwhile.
        """
        rows = self._metastore.connection.execute("SELECT id FROM runs WHERE state = 'running'")
        dead = [(run,) for (run,) in rows if run not in living]
        if not dead:
            return
        with self._metastore.transaction() as c:
            c.executemany(
                "UPDATE runs SET state = CASE note WHEN '' THEN 'interrupted' ELSE 'cancelled' END "
                "WHERE state = 'running' AND id = ?",
                dead,
            )

    def steps_ended(self, run: str, at: float, steps: Sequence[StepLog]) -> None:
        """Attempts of a run have come to an end."""
        with self._metastore.transaction() as c:
            write_steps(c, run, at, steps)

    def finish(self, row: RunRow) -> None:
        """A run has come to an end; one that did not do all, with a note on it, was cancelled."""
        with self._metastore.transaction() as c:
            c.execute(
                "UPDATE runs SET finished_at = ?1, state = CASE WHEN note != '' AND "
                "(?2 = 'interrupted' OR ?8 > 0) THEN 'cancelled' ELSE ?2 END, ran = ?3, "
                "unchanged = ?4, skipped = ?5, failed = ?6, blocked = ?7, cancelled = ?8 "
                "WHERE id = ?9",
                (
                    row.finished_at,
                    row.state,
                    row.ran,
                    row.unchanged,
                    row.skipped,
                    row.failed,
                    row.blocked,
                    row.cancelled,
                    row.id,
                ),
            )

    def cut_off(self, run: str, at: float) -> None:
        """A run has ended in the middle: what it did is counted from its attempts."""
        (row,) = self._runs("WHERE id = ?", run, 1)
        self.finish(replace(row, finished_at=at, state="interrupted"))

    def annotate(self, run: str, note: str) -> bool:
        """Note on a run that has not ended who is about to end it; False if it had ended."""
        with self._metastore.transaction() as c:
            rows = c.execute(
                "UPDATE runs SET note = ? WHERE id = ? AND state = 'running' RETURNING id",
                (note, run),
            )
            return bool(rows.fetchall())

    # --- what was run ------------------------------------------------------------------------

    def runs(self, limit: int, is_held: Callable[[str], bool]) -> list[RunRow]:
        """The last runs, the newest first; `is_held` says whether a run has its lease.

        The newest is the one that was recorded last, whatever the clock said.

        A run that died is recorded as running until the next one begins: it holds no lease. One
        that ends while this is asked has left its last word, so that is read again.
        """
        rows = self._runs("", limit)
        gone = {row.id for row in rows if row.state == "running" and not is_held(row.id)}
        if not gone:
            return rows
        return [
            replace(row, state="cancelled" if row.note else "interrupted")
            if row.state == "running" and row.id in gone
            else row
            for row in self._runs("", limit)
        ]

    def since(self, seq: int) -> list[RunRow]:
        """The runs that made something after the materialization of that number, newest first."""
        chosen = "WHERE id IN (SELECT run FROM materializations WHERE seq > ?)"
        return self._runs(chosen, seq, 2**62)

    def _runs(self, chosen: str, *values: int | str) -> list[RunRow]:
        rows = self._metastore.connection.execute(
            f"SELECT {_RUN} FROM runs {chosen} "  # noqa: S608 - no input in it
            "ORDER BY rowid DESC LIMIT ?",
            values,
        ).fetchall()
        return [self._counted(_run(row)) for row in rows]

    def _counted(self, row: RunRow) -> RunRow:
        """The row of a run that has left no last word, with what its attempts tell."""
        if row.finished_at is not None:
            return row
        rows = self._metastore.connection.execute(
            # Of the attempts at one partition the last one says what became of it.
            "SELECT state, count(*) FROM (SELECT state, max(attempt) FROM steps WHERE run = ? "
            "GROUP BY task, key) GROUP BY state",
            (row.id,),
        )
        states = {str(state): int(str(number)) for state, number in rows}
        unchanged = states.get("unchanged", 0)
        made = states.get("made", 0) + unchanged
        return replace(row, ran=made, unchanged=unchanged, failed=states.get("failed", 0))

    def graph(self, run: str) -> str | None:
        """The graph that a run had, as it was given to `begin`; None if it was not kept."""
        rows = self._metastore.connection.execute(
            "SELECT document FROM runs JOIN graphs ON graph = digest WHERE id = ?", (run,)
        ).fetchall()
        return str(rows[0][0]) if rows else None

    def graphs(self) -> list[str]:
        """Every graph that any run had."""
        rows = self._metastore.connection.execute("SELECT document FROM graphs")
        return [str(document) for (document,) in rows]

    def tasks(self) -> list[str]:
        """The tasks of which any run attempted a step."""
        rows = self._metastore.connection.execute("SELECT DISTINCT task FROM steps ORDER BY task")
        return [str(task) for (task,) in rows]

    def keys(self, tasks: Sequence[str]) -> tuple[str, str] | None:
        """The first and the last key of what was attempted of the tasks; None if nothing was."""
        rows = self._metastore.connection.execute(
            f"SELECT min(key), max(key) FROM steps WHERE task IN ({_marks(tasks)})",  # noqa: S608
            tuple(tasks),
        ).fetchall()
        return None if rows[0][0] is None else (str(rows[0][0]), str(rows[0][1]))

    def attempts(self, tasks: Sequence[str], key: str) -> list[tuple[str, StepLog]]:
        """Every attempt at a partition by one of the tasks, each with its run, newest run first."""
        rows = self._metastore.connection.execute(
            f"SELECT runs.id, {_STEP_OF_RUN} FROM runs CROSS JOIN steps ON run = runs.id "  # noqa: S608
            f"WHERE task IN ({_marks(tasks)}) AND key = ? "
            "ORDER BY runs.rowid DESC, task, attempt",
            (*tasks, key),
        )
        return [(str(row[0]), _step(row[1:])) for row in rows]

    def steps(self, run: str) -> list[StepLog]:
        """Every attempt of a run."""
        rows = self._metastore.connection.execute(
            f"SELECT {_STEP} FROM steps "  # noqa: S608 - own names only
            "WHERE run = ? ORDER BY finished_at, serial, task, key, attempt",
            (run,),
        )
        return [_step(row) for row in rows]

    # --- forgetting --------------------------------------------------------------------------

    def ended_before(self, at: float, now: float) -> list[str]:
        """The runs that began before a moment in epoch seconds and go on no more.

        By the order in which they were begun, where their times disagree with it: a run is no older
        than any before it, whatever its clock said, and one from later than now tells no time.
        """
        rows = self._metastore.connection.execute(
            "SELECT id FROM (SELECT id, state, max(started_at) FILTER (WHERE started_at <= ?2) "
            "OVER (ORDER BY rowid) AS began FROM runs) "
            "WHERE coalesce(began, ?2) < ?1 AND state != 'running' ORDER BY id",
            (at, now),
        )
        return [str(run) for (run,) in rows]

    def newest_before(self, now: float) -> float | None:
        """When the newest run began that began by `now`, both in epoch seconds; None: none did."""
        rows = self._metastore.connection.execute(
            "SELECT max(started_at) FROM runs WHERE started_at <= ?", (now,)
        ).fetchall()
        return None if rows[0][0] is None else float(str(rows[0][0]))

    def forget(self, runs: Sequence[str]) -> None:
        """Forget runs with their attempts, and graphs that no other run had."""
        if not runs:
            return
        with self._metastore.transaction() as c:
            c.executemany("DELETE FROM steps WHERE run = ?", [(run,) for run in runs])
            c.executemany("DELETE FROM runs WHERE id = ?", [(run,) for run in runs])
            c.execute(
                "DELETE FROM graphs WHERE digest NOT IN "
                "(SELECT graph FROM runs WHERE graph IS NOT NULL)"
            )

    # --- backfills ---------------------------------------------------------------------------

    def request(self, text: str, at: float, *, again: bool) -> int:
        """The number since which an open request counts as done; a new one if none is open."""
        found = None if again else self.open_request(text)
        if found is not None:
            return found
        since = self._metastore.seq + 1
        with self._metastore.transaction() as c:
            c.execute("DELETE FROM requests WHERE text = ? AND finished_at IS NULL", (text,))
            c.execute(
                "INSERT INTO requests (text, since, asked_at) VALUES (?, ?, ?)",
                (text, since, int(at)),
            )
        return since

    def open_request(self, text: str) -> int | None:
        """The number of an open request, or None; for a dry run, which records nothing."""
        rows = self._metastore.connection.execute(
            "SELECT since FROM requests WHERE text = ? AND finished_at IS NULL", (text,)
        ).fetchall()
        return int(str(rows[0][0])) if rows else None

    def fulfil(self, text: str, at: float) -> None:
        """A request is done: the same words ask anew from now on."""
        with self._metastore.transaction() as c:
            c.execute(
                "UPDATE requests SET finished_at = ? WHERE text = ? AND finished_at IS NULL",
                (int(at), text),
            )


def write_steps(connection: apsw.Connection, run: str, at: float, steps: Sequence[StepLog]) -> None:
    """Add attempts that ended `at` to a run's log, within the caller's transaction."""
    connection.executemany(
        f"INSERT OR REPLACE INTO steps (run, finished_at, {_STEP}) "  # noqa: S608 - own names only
        f"VALUES (?, ?, {_marks(fields(StepLog))})",
        [
            (
                run, at, s.task, s.key, s.attempt, s.state, s.reason, s.seconds, s.message,
                s.serial, s.began_at, s.cpu, s.memory, s.rows_in, s.bytes_in, s.rows_out,
                s.bytes_out, s.worker, int(s.has_log),
            )
            for s in steps
        ],
    )  # fmt: skip


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def _run(row: Sequence[Any]) -> RunRow:
    found = RunRow(*row)
    with understood(f"the run {found.id}"):
        require_moment("started_at", found.started_at)
        require_moment("finished_at", found.finished_at or 0.0)
    return found


def _step(row: Sequence[Any]) -> StepLog:
    found = StepLog(*(*row[:-1], bool(row[-1])))
    with understood(f"the log of {found.task}@{found.key}"):
        require_moment("began_at", found.began_at)
        require_moment("seconds", found.seconds)
        require_moment("cpu", found.cpu)
    return found


def new_run_id(now_ns: int) -> str:
    """A name for a run that sorts by time: `20261121-210501-3f9a`."""
    moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now_ns // 1_000_000_000))
    return f"{moment}-{uuid.uuid4().hex[:4]}"


def begun(run: str, command: str, at: float, request: str = "") -> RunRow:
    """The row of a run that this process has just begun; `request` says what was asked for."""
    return RunRow(
        run, command, at, None, "running", 0, 0, 0, 0, 0, socket.gethostname(), user(),
        pid=os.getpid(), request=request,
    )  # fmt: skip


def owner_of(run: str) -> str:
    """Who holds the lease of a run while this process is at it, as others are told."""
    return f"run {run} of {user()}@{socket.gethostname()}, process {os.getpid()}"


def user() -> str:
    """Who this process works for, as others are told."""
    with suppress(OSError, KeyError):
        return getpass.getuser()
    return "?"
