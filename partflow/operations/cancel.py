"""Ends a run from outside: signals the process that carries it out, and kills it if need be.

Knows nothing of steps. A process is signalled only while it holds the lease of the run. So if the
system has given its number to another process meanwhile, that one is never hit.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from partflow.errors import UsageError
from partflow.metastore.record import RunRow
from partflow.metastore.runlog import RunLog, host, user

PATIENCE = 5.0
"""How many seconds a process has to end by itself before it is killed."""

GENTLY = signal.SIGUSR1
"""The signal that asks the command line to finish what is running; a second one does no more."""

_AT_A_TIME = 0.05
_AFTER_KILL = 10.0


class End(Enum):
    """How a run that was cancelled has ended, or will."""

    BY_ITSELF = "it ended by itself before it was reached"
    ASKED = "it finishes what is running"
    STOPPED = "it stopped"
    KILLED = "it did not stop, and was killed"


@dataclass(frozen=True, slots=True)
class Canceller:
    """Cancels runs of one log.

    `owner` says who holds a run's lease, None for nobody. `now` gives epoch seconds. A process has
    `patience` seconds to end by itself.
    """

    log: RunLog
    owner: Callable[[str], str | None]
    now: Callable[[], float]
    patience: float = PATIENCE

    def cancel(self, row: RunRow, *, gently: bool = False) -> End:
        """End a run; with `gently` only ask it to finish what is running, and do not wait.

        Raises:
            UsageError: the run is not going on, or goes on at another machine, or its process
                belongs to another user, or is a program that may not be killed.
        """
        self._check(row, gently=gently)
        if not self.log.annotate(row.id, f"cancelled by {user()}@{host()}"):
            return End.BY_ITSELF
        if gently:
            return End.ASKED if self._signal(row, GENTLY) else End.BY_ITSELF
        if not self._signal(row, signal.SIGTERM if _is_command(row) else signal.SIGINT):
            return End.BY_ITSELF
        if self._is_over(row, self.patience):
            return End.STOPPED
        if not _is_command(row):
            raise UsageError(
                f"run {row.id} has not stopped: process {row.pid} is a program or a notebook that "
                "uses partflow, so it is not killed; end it yourself"
            )
        self._signal(row, signal.SIGKILL)
        if not self._is_over(row, _AFTER_KILL):
            raise UsageError(f"process {row.pid} of run {row.id} was killed and is not gone yet")
        self.log.cut_off(row.id, self.now())
        return End.KILLED

    def _check(self, row: RunRow, *, gently: bool) -> None:
        if row.state != "running":
            raise UsageError(f"run {row.id} does not go on: it is {row.state}")
        if row.host != host():
            raise UsageError(f"run {row.id} goes on at {row.host}; cancel it there")
        if not self._has_lease(row):
            raise UsageError(f"run {row.id} does not go on: nothing holds its lease")
        if gently and not _is_command(row):
            raise UsageError(
                f"run {row.id} belongs to a program or a notebook, process {row.pid}; it can be "
                "stopped only at once, without --gently"
            )

    def _has_lease(self, row: RunRow) -> bool:
        owner = self.owner(row.id) or ""
        return owner.startswith(f"run {row.id} ") and owner.endswith(f", process {row.pid}")

    def _signal(self, row: RunRow, number: signal.Signals) -> bool:
        """Send a signal to the process that holds the lease; False if none holds it any more.

        A descriptor of a process is opened first, and the lease looked at after that: a descriptor
        never stands for another process, as a number can.
        """
        try:
            held = os.pidfd_open(row.pid) if hasattr(os, "pidfd_open") else None
        except ProcessLookupError:
            return False
        try:
            if not self._has_lease(row):
                return False
            if held is None:
                os.kill(row.pid, number)
            else:
                signal.pidfd_send_signal(held, number)
        except ProcessLookupError:
            return False
        except PermissionError:
            self.log.annotate(row.id, row.note)
            raise UsageError(
                f"run {row.id} belongs to {row.owner}: process {row.pid} is not yours to end"
            ) from None
        finally:
            if held is not None:
                os.close(held)
        return True

    def _is_over(self, row: RunRow, patience: float) -> bool:
        """Wait up to `patience` seconds; whether the lease is free then."""
        until = time.monotonic() + patience
        while self._has_lease(row):
            if time.monotonic() >= until:
                return False
            time.sleep(_AT_A_TIME)
        return True


def _is_command(row: RunRow) -> bool:
    """Whether the command line carries the run out; it stops at once on SIGTERM."""
    return row.command.startswith("partflow ")
