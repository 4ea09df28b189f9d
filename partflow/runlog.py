"""What runs did and which backfills were asked for: the log beside what is current.

Knows nothing of plans or partitions' contents; no decision reads it but that a backfill goes on.
"""

from __future__ import annotations

import getpass
import os
import socket
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from partflow.metastore import Metastore


@dataclass(frozen=True, slots=True)
class StepLog:
    """What became of one attempt at a step."""

    task: str
    key: str
    attempt: int
    state: str
    reason: str
    seconds: float
    message: str | None = None


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run; `state` is running, done, failed or interrupted, times are in epoch seconds."""

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


class RunLog:
    """The runs, attempts and requests of one metastore."""

    def __init__(self, metastore: Metastore) -> None:
        self._metastore = metastore

    def begin(self, row: RunRow) -> None:
        """A run has begun."""
        with self._metastore.transaction() as c:
            c.execute("UPDATE runs SET state = 'interrupted' WHERE state = 'running'")
            c.execute(
                "INSERT INTO runs (id, command, started_at, state, host, owner) "
                "VALUES (?, ?, ?, 'running', ?, ?)",
                (row.id, row.command, row.started_at, row.host, row.owner),
            )

    def steps_ended(self, run: str, at: float, steps: Sequence[StepLog]) -> None:
        """Attempts of a run have come to an end."""
        with self._metastore.transaction() as c:
            c.executemany(
                "INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (run, s.task, s.key, s.attempt, s.state, s.reason, at, s.seconds, s.message)
                    for s in steps
                ],
            )

    def finish(self, row: RunRow) -> None:
        """A run has come to an end."""
        with self._metastore.transaction() as c:
            c.execute(
                "UPDATE runs SET finished_at = ?, state = ?, ran = ?, unchanged = ?, skipped = ?, "
                "failed = ?, blocked = ? WHERE id = ?",
                (
                    row.finished_at,
                    row.state,
                    row.ran,
                    row.unchanged,
                    row.skipped,
                    row.failed,
                    row.blocked,
                    row.id,
                ),
            )

    def runs(self, limit: int, holder: Callable[[], str | None]) -> list[RunRow]:
        """The last runs, the newest first; `holder` says who has the lease.

        A run that died is recorded as running until the next one begins: it holds no lease. One
        that ends while this is asked has left its last word, so that is read again.
        """
        rows = self._runs("", limit)
        running = [row.id for row in rows if row.state == "running"]
        has_it = holder() if running else None
        if not running or any(run in (has_it or "") for run in running):
            return rows
        return [
            replace(row, state="interrupted")
            if row.state == "running" and row.id in running
            else row
            for row in self._runs("", limit)
        ]

    def since(self, seq: int) -> list[RunRow]:
        """The runs that made something after the materialization of that number, newest first."""
        chosen = "WHERE id IN (SELECT run FROM materializations WHERE seq > ?)"
        return self._runs(chosen, seq, 2**62)

    def _runs(self, chosen: str, *values: int) -> list[RunRow]:
        rows = self._metastore.connection.execute(
            "SELECT id, command, started_at, finished_at, state, ran, unchanged, skipped, failed, "  # noqa: S608 - no input in it
            f"blocked, host, owner FROM runs {chosen} ORDER BY started_at DESC, id DESC LIMIT ?",
            values,
        )
        return [RunRow(*row) for row in rows]

    def steps(self, run: str) -> list[StepLog]:
        """Every attempt of a run."""
        rows = self._metastore.connection.execute(
            "SELECT task, key, attempt, state, reason, seconds, message FROM steps "
            "WHERE run = ? ORDER BY finished_at, task, key, attempt",
            (run,),
        )
        return [StepLog(*row) for row in rows]

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


def new_run_id(now_ns: int) -> str:
    """A name for a run that sorts by time: `20261121-210501-3f9a`."""
    moment = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now_ns // 1_000_000_000))
    return f"{moment}-{uuid.uuid4().hex[:4]}"


def begun(run: str, command: str, at: float) -> RunRow:
    """The row of a run that this process has just begun."""
    return RunRow(run, command, at, None, "running", 0, 0, 0, 0, 0, socket.gethostname(), _user())


def owner_of(run: str) -> str:
    """Who has the lease while this process is at a run, as others are told."""
    return f"run {run} of {_user()}@{socket.gethostname()}, process {os.getpid()}"


def _user() -> str:
    with suppress(OSError, KeyError):
        return getpass.getuser()
    return "?"
