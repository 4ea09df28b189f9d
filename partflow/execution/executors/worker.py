"""One worker process, as the run's process sees it: what it was sent, and how it ended.

Knows nothing of other workers, or of what an order is about.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

from partflow.execution.executors.workermain import Duty, Message, Ready, Shares, Unable, work
from partflow.execution.executors.workplace import Load
from partflow.execution.orders import Order
from partflow.process.machine import thread_settings
from partflow.process.spool import Spool

BYTES_AHEAD = 64 * 2**10
"""How many bytes of orders a busy worker may have."""

GRACE = 2.0
"""How many seconds a worker has to end after it was asked to, before it is killed."""


@dataclass(slots=True)
class Sent:
    """An order that a worker has, with its pickled form.

    `seconds` is how long it is expected to take. `since` is when the worker came to it, by the
    monotonic clock, and `at` the same moment in epoch seconds; both are 0 until then.
    """

    order: Order
    payload: bytes
    seconds: float
    since: float = 0.0
    at: float = 0.0


class Worker:
    """A spawned process that carries out orders one after the other, and can be killed.

    `sent` are the orders that it has not answered; it is at work on the first. `unable` says why it
    could not load the project. `words` is the last that it wrote, once it is buried.
    """

    def __init__(self, load: Load, number: int, folder: Path, shares: Shares) -> None:
        self.number = number
        self.sent: deque[Sent] = deque()
        self.seconds_ahead, self.bytes_ahead = 0.0, 0
        self.is_ready = False
        self.is_last = False
        self.unable: str | None = None
        self.words = ""
        self._spool = Spool.made(folder)
        self._asked_at: float | None = None
        self._is_killed = False
        # Spawned, not forked: a fork of a process that has used polars hangs.
        context = multiprocessing.get_context("spawn")
        self.channel, theirs = context.Pipe()
        _widen(self.channel.fileno())
        duty = Duty(load, number, self._spool, shares)
        self._process = context.Process(
            target=work, args=(theirs, duty), name=f"partflow worker {number}"
        )
        threads = shares.threads
        self._start({} if threads is None else thread_settings(threads, os.environ))
        theirs.close()
        self.ending = _ending(self._process.pid, self._process.sentinel)

    def _start(self, environment: Mapping[str, str]) -> None:
        """Start the process with SIGINT blocked, which it unblocks once it ignores the signal.

        `environment` is added to its environment from the start, because libraries read that when
        they are loaded, which happens before any code of ours runs in a worker.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        os.environ.update(environment)
        try:
            self._process.start()
        finally:
            for name in environment:
                del os.environ[name]
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @property
    def takes_more(self) -> bool:
        """Whether it will carry out an order that is sent now."""
        return not self.is_last and self._asked_at is None and self.unable is None

    def send(self, sent: Sent) -> None:
        """Send it an order; if it has died, nothing is raised, since `ending` tells."""
        self.sent.append(sent)
        self.seconds_ahead += sent.seconds
        self.bytes_ahead += len(sent.payload)
        if len(self.sent) == 1 and self.is_ready:
            self._on_first()
        with suppress(BrokenPipeError, ConnectionResetError):
            self.channel.send_bytes(sent.payload)

    def hear(self) -> Message | None:
        """Wait for its next message; None if there will be no more."""
        try:
            message: Message = self.channel.recv()
        except (EOFError, OSError):
            return None
        if isinstance(message, Unable):
            self.unable = message.message
        elif isinstance(message, Ready):
            self.is_ready = True
            if self.sent:
                self._on_first()
        else:
            self.is_last = message.is_last
        return message

    def answered(self) -> Sent:
        """Take the order of its answer out of `sent`; it is at work on the next one now."""
        answered = self.sent.popleft()
        self.bytes_ahead -= len(answered.payload)
        self.seconds_ahead -= answered.seconds
        if self.sent:
            self._on_first()
        else:
            self.seconds_ahead = 0.0  # Rounding may have left a little.
        return answered

    def _on_first(self) -> None:
        self.sent[0].since = time.monotonic()
        self.sent[0].at = time.time()  # noqa: TID251 - only shown

    @property
    def overdue(self) -> float | None:
        """When `stop` has to be called, by the monotonic clock; None if it need not be."""
        if self._is_killed:
            return None
        if self._asked_at is not None:
            return self._asked_at + GRACE
        first = self.sent[0] if self.sent else None
        if first is None or not first.since or first.order.timeout is None:
            return None
        return first.since + first.order.timeout

    @property
    def is_stopped(self) -> bool:
        """Whether it was asked to end; its answers after that are ignored."""
        return self._asked_at is not None

    @property
    def is_killed(self) -> bool:
        """Whether it was killed, because it did not end when it was asked to."""
        return self._is_killed

    def stop(self) -> None:
        """Ask the worker and its children to end; kill them if they were asked already."""
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            self._signal(signal.SIGTERM)
        else:
            self._is_killed = True
            self._signal(signal.SIGKILL)

    def buried(self) -> int:
        """Kill the worker and its children, and wait for its end; returns its exit code.

        After that `words` is the end of what it wrote since its last answer.
        """
        self._signal(signal.SIGKILL)
        self._process.join()
        self.words = self._spool.tail()
        code = self._process.exitcode
        self.channel.close()
        if self.ending != self._process.sentinel:
            os.close(self.ending)
        self._process.close()
        return 0 if code is None else code

    def forget(self, logs: Sequence[Path] = ()) -> bool:
        """Close the spool, after moving what it wrote into a log, if one is named.

        Returns whether anything was moved. Call it last.
        """
        has_log = bool(logs) and self._spool.move(logs)
        self._spool.close()
        return has_log

    def has_ended(self, within: float) -> bool:
        """Wait at most so many seconds; whether it has ended."""
        return bool(wait([self.ending], max(0.0, within)))

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal to its process group; or to it alone, if it has not made a group yet."""
        pid = self._process.pid
        assert pid is not None
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            if self._process.exitcode is None:
                os.kill(pid, number)
        except PermissionError:
            pass  # On some systems: only a zombie is left of the group.


def _widen(descriptor: int) -> None:
    """Enlarge a channel's buffer, so that sending never waits for a busy worker."""
    with socket.socket(fileno=os.dup(descriptor)) as channel:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * BYTES_AHEAD)


def _ending(pid: int | None, sentinel: int) -> int:
    """A descriptor that becomes readable when the process has ended.

    The sentinel is only a second choice: it is a pipe, which children of the process may hold open.
    """
    try:
        return os.pidfd_open(pid or 0)
    except (AttributeError, OSError):
        return sentinel
