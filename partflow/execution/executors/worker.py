"""One worker process as its coordinator sees it: what it was sent, how long it takes, how it ended.

Knows nothing of other workers, or of what an order is about.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

from partflow.execution.executors.spool import Spool
from partflow.execution.executors.workermain import Duty, Message, Ready, Shares, Unable, work
from partflow.execution.executors.workplace import Load
from partflow.execution.orders import Order
from partflow.process.machine import thread_settings

BYTES_AHEAD = 64 * 2**10
"""How many bytes of orders a worker that is busy may be sent."""

GRACE = 2.0
"""Seconds between being asked to end and being killed."""

_OWN = Path(__file__).resolve().parents[2]
_HEAD = re.compile(r"^(?:Current thread .*|Stack) \(most recent call first\):$", re.MULTILINE)
_FRAME = re.compile(r'\s*File "([^"]+)", line (\d+) in ')
_HINTS = {
    signal.SIGKILL: "; out of memory?",
    signal.SIGSEGV: "; a crash in a library?",
    signal.SIGABRT: "; a crash in a library?",
    signal.SIGBUS: "; a crash in a library?",
}


@dataclass(slots=True)
class Sent:
    """An order that a worker has, as it was sent, and when the worker came to it.

    `seconds` is how long such orders have taken before. `since` is a time of the monotonic clock,
    `at` the same moment in epoch seconds; 0: not yet.
    """

    order: Order
    payload: bytes
    seconds: float
    since: float = 0.0
    at: float = 0.0


class Worker:
    """A spawned process: it carries out what it is sent one after the other, and can be killed.

    `sent` are the orders that it has not answered, the first of them is the one that it is on.
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
        # Spawned and not forked: a process that has used polars hangs when it is forked.
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
        """Start it with Ctrl-C held off: until it ignores that, it must not reach it.

        Libraries look into their environment when they are loaded, which a worker does before
        anything of ours runs in it: so it is born with what is added to it.
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
        """Whether it will come to what it is sent now."""
        return not self.is_last and self._asked_at is None and self.unable is None

    def send(self, sent: Sent) -> None:
        """Send it a pickled order. If it has died meanwhile, its ending will tell."""
        self.sent.append(sent)
        self.seconds_ahead += sent.seconds
        self.bytes_ahead += len(sent.payload)
        if len(self.sent) == 1 and self.is_ready:
            self._on_first()
        with suppress(BrokenPipeError, ConnectionResetError):
            self.channel.send_bytes(sent.payload)

    def hear(self) -> Message | None:
        """Its next message; None if there will be no more. Waits for it, if it has not come yet."""
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
        """The order that its answer is for; from now on it is on the next."""
        found = self.sent.popleft()
        self.bytes_ahead -= len(found.payload)
        self.seconds_ahead -= found.seconds
        if self.sent:
            self._on_first()
        else:
            self.seconds_ahead = 0.0  # what rounding has left
        return found

    def _on_first(self) -> None:
        self.sent[0].since = time.monotonic()
        self.sent[0].at = time.time()  # noqa: TID251 - only shown

    @property
    def overdue(self) -> float | None:
        """When, by the monotonic clock, it has to be asked to end, or to be killed."""
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
        """Whether it was asked to end; what it answers then counts for nothing."""
        return self._asked_at is not None

    @property
    def is_killed(self) -> bool:
        """Whether it did not end when it was asked to."""
        return self._is_killed

    def stop(self) -> None:
        """Ask it, and what it has started, to end; kill it when it was asked already."""
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            self._signal(signal.SIGTERM)
        else:
            self._is_killed = True
            self._signal(signal.SIGKILL)

    def buried(self) -> int:
        """Kill what it has left running, and wait for its end; the exit code.

        `words` is then the end of what it wrote since its last answer.
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
        """The last: put what it wrote into a log, if one is named; whether there was anything."""
        found = bool(logs) and self._spool.move(logs)
        self._spool.close()
        return found

    def has_ended(self, within: float) -> bool:
        """Whether it ends within so many seconds."""
        return bool(wait([self.ending], max(0.0, within)))

    def _signal(self, number: signal.Signals) -> None:
        """Reach its group; itself, while it has not come to make one."""
        pid = self._process.pid
        assert pid is not None
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            if self._process.exitcode is None:
                os.kill(pid, number)
        except PermissionError:
            pass  # on some systems a group of which nothing but a zombie is left


def _widen(descriptor: int) -> None:
    """Let a channel hold what is sent ahead, and more: sending never waits for a busy worker."""
    with socket.socket(fileno=os.dup(descriptor)) as channel:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * BYTES_AHEAD)


def _ending(pid: int | None, sentinel: int) -> int:
    """A descriptor that can be read when the process has ended.

    The sentinel is a pipe, which lives on in children of the process that have it, too.
    """
    try:
        return os.pidfd_open(pid or 0)
    except (AttributeError, OSError):
        return sentinel


def ended(code: int) -> str:
    """How a process ended: `exit code 3`, `signal 9: killed; out of memory?`."""
    if code >= 0:
        return f"exit code {code}"
    try:
        said = (signal.strsignal(-code) or "").lower()
        hint = _HINTS.get(signal.Signals(-code), "")
    except ValueError:
        return f"signal {-code}"
    return f"signal {-code}: {said}{hint}"


def last_place(text: str, root: Path) -> tuple[str, str]:
    """The user's own line in the last stack in a text, and the stack down to it; else empty."""
    heads = list(_HEAD.finditer(text))
    if not heads:
        return "", ""
    shown = [heads[-1][0]]
    for line in text[heads[-1].end() :].splitlines()[1:]:
        found = _FRAME.match(line)
        if not found:
            break
        shown.append(line)
        if _is_users(Path(found[1]), root):
            place = f"{Path(found[1]).relative_to(root).as_posix()}:{found[2]}"
            return place, "\n".join(shown).replace(f"{root}/", "") + "\n"
    return "", ""


def _is_users(path: Path, root: Path) -> bool:
    return (
        path.is_relative_to(root)
        and not {"site-packages", "dist-packages"} & set(path.parts)
        and not path.is_relative_to(_OWN)
    )
