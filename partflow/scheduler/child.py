"""A child process seen from the one that leads: begun, asked, heard, and ended.

Knows nothing of what is asked, or of the user's code: only the child imports that.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from partflow.process.beside import begun, end
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
        words = [str(os.getpid()), str(root)]
        self._process, self.channel = begun(_MAIN, words, root, self._spool)

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
        code = end(self._process, is_gone=is_gone)
        self.channel.close()
        place, _ = last_place(self._spool.tail(), self._root)
        self._spool.close()
        return Death(ended(code), place)

    def _send(self, message: AskLook | Begin | Halt) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):
            self.channel.send_bytes(packed(message))
