"""A child process seen from the one that leads: begun, asked, heard, and ended.

Knows nothing of what is asked, or of the user's code: only the child imports that.
"""

from __future__ import annotations

import os
import signal
import subprocess  # this Python with a module of partflow  # nosec B404
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from socket import socketpair

from partflow.process.endings import ended, last_place
from partflow.process.spool import Spool
from partflow.scheduler.messages import (
    AskLook,
    Begin,
    Ended,
    FromChild,
    Halt,
    Leased,
    Loaded,
    LookDone,
    LookFailed,
    NotLoaded,
    Progressed,
    StepLost,
    UnknownMessageError,
    packed,
    unpacked,
)

_MAIN = "partflow.scheduler.childmain"
_MOMENT = 0.2
"""Seconds that a child is given to end by itself before it is killed."""


@dataclass(frozen=True, slots=True)
class Death:
    """How a child ended, in words; `place` is the user's line that it was at, if that is known."""

    said: str
    place: str


class Child:
    """A process that loads the project, and then does one thing at a time.

    `edition` is the state of the project's files when it was begun. `doing` is what it was asked
    and has not answered. `memory` is its resident memory in bytes: after its first answer, and
    after the last one.
    """

    def __init__(self, root: Path, logs: Path, edition: object) -> None:
        self.edition = edition
        self.loaded: Loaded | None = None
        self.doing: AskLook | Begin | None = None
        self.memory = (0, 0)
        self._root = root
        self._since = time.monotonic()
        self._spool = Spool.made(logs)
        try:
            self._process, self.channel = _begun(root, self._spool)
        except OSError:
            self._spool.close()
            raise

    @property
    def is_idle(self) -> bool:
        """Whether it has loaded the project and has nothing to do."""
        return self.loaded is not None and self.doing is None

    @property
    def busy_for(self) -> float:
        """For how many seconds it has been loading, or doing what it was asked."""
        return time.monotonic() - self._since

    def ask(self, message: AskLook | Begin) -> None:
        """Ask it for something; if it has died, that is heard later."""
        self.doing, self._since = message, time.monotonic()
        self._send(message)

    def halt(self, *, now: bool) -> None:
        """Have its run begin nothing more, or give up what is under way, too."""
        self._send(Halt(now))

    def heard(self) -> FromChild | None:
        """Wait for its next message; None if it has died, or says what no child says."""
        try:
            message = unpacked(self.channel.recv_bytes())
        except (EOFError, OSError, UnknownMessageError):
            return None
        match message:
            case Loaded():
                self.loaded = message
            case LookDone() | Ended():
                self.doing = None
                self.memory = (self.memory[0] or message.memory, message.memory)
            case LookFailed():
                self.doing = None
            case NotLoaded() | Leased() | Progressed() | StepLost():
                return message
            case _:
                return None
        self._spool.clear()
        return message

    def bury(self, *, is_gone: bool) -> Death:
        """End it and all that it has begun, and say how it ended.

        `is_gone` says that its channel has closed: then it ends by itself, if it has not yet.
        """
        if not is_gone:
            self._process.terminate()  # It writes where it is, and ends.
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_MOMENT)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        self.channel.close()
        place, _ = last_place(self._spool.tail(), self._root)
        self._spool.close()
        return Death(ended(code), place)

    def _send(self, message: AskLook | Begin | Halt) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            self.channel.send_bytes(packed(message))


def _begun(root: Path, spool: Spool) -> tuple[subprocess.Popen[bytes], Connection]:
    """A process over a project, and the channel to it; OSError if none can be begun."""
    ours, theirs = socketpair()
    with ours, theirs:
        words = [str(theirs.fileno()), str(os.getpid()), str(root)]
        process = subprocess.Popen(  # noqa: S603 - this very Python  # nosec B603
            [sys.executable, "-P", "-m", _MAIN, *words],
            stdin=subprocess.DEVNULL,
            stdout=spool.descriptor,
            stderr=spool.descriptor,
            pass_fds=[theirs.fileno()],
            process_group=0,  # so that Ctrl-C on the terminal does not reach it
            cwd=root,
        )
        return process, Connection(ours.detach())
