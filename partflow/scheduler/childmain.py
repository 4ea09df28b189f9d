"""What a child of `serve` does: it loads the project once, then looks and carries runs out.

Knows nothing of when it has to: it does what it is asked, one thing at a time, and ends with the
process that began it. This is where the user's code runs; the process that leads imports none.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import queue
import signal
import sys
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from partflow.process.garbage import begin_loading, end_loading
from partflow.scheduler.messages import (
    AskLook,
    Begin,
    FromChild,
    Halt,
    Loaded,
    NotLoaded,
    packed,
    unpacked,
)

if TYPE_CHECKING:  # a child says at once why it cannot load, before anything heavy is imported
    from partflow.execution.controls import Stop
    from partflow.scheduler.chores import Chores

_DEATH_OF_PARENT = 1
"""The option of `prctl` that has a process get a signal when its parent dies."""


def main(words: list[str]) -> NoReturn:
    """Be a child; `words` are the channel's descriptor, the parent's id, the project's folder."""
    begin_loading()
    _end_with(int(words[1]))
    channel = Connection(int(words[0]))
    hearing = _Hearing(channel)
    _settle(hearing)
    try:
        from partflow.scheduler.chores import Chores

        chores = Chores.loaded(words[2])
        loaded = Loaded(chores.graph, chores.files, chores.folders)
    except BaseException as error:  # noqa: BLE001 - the user's modules may raise anything
        _send(channel, NotLoaded(told(error)))
        raise SystemExit(1) from None
    end_loading()
    _send(channel, loaded)
    while True:
        _do(chores, hearing, hearing.asked.get())


def told(error: BaseException) -> str:
    """An error in words; of one that is not partflow's its type, too."""
    from partflow.errors import PartflowError

    text = str(error)
    return text if isinstance(error, PartflowError) else f"{type(error).__name__}: {text}"


class _Hearing:
    """Hears the parent in a thread, so that a run can be stopped; ends with the parent.

    `stop` is that of the run under way, or asked for.
    """

    def __init__(self, channel: Connection) -> None:
        self.asked: queue.SimpleQueue[AskLook | Begin] = queue.SimpleQueue()
        self.stop: Stop | None = None
        self.channel = channel
        threading.Thread(target=self._hear, daemon=True).start()

    def answer(self, message: FromChild) -> None:
        """Send the parent a message."""
        _send(self.channel, message)

    def _hear(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                message = unpacked(self.channel.recv_bytes())
                if isinstance(message, Halt):
                    self._halt(message)
                elif isinstance(message, AskLook | Begin):
                    self._expect(message)
                    self.asked.put(message)
        # Whoever asked is gone: so is this process, and all that its tasks have begun.
        os.killpg(0, signal.SIGKILL)

    def _expect(self, message: AskLook | Begin) -> None:
        """Be ready to stop a run from now on: it may be halted before it has begun."""
        from partflow.execution.controls import Stop

        if isinstance(message, Begin):
            self.stop = Stop()

    def _halt(self, message: Halt) -> None:
        stop = self.stop
        if stop is not None:
            stop.asked, stop.now = True, stop.now or message.now

    def heed(self, signum: int, frame: FrameType | None) -> None:  # noqa: ARG002 - as signals call it
        """Stop the run under way, as `cancel` asks by signals; without one end this process."""
        is_gentle = signum == signal.SIGUSR1
        if self.stop is not None:
            self._halt(Halt(now=not is_gentle))
        elif not is_gentle:
            os.killpg(0, signal.SIGKILL)


def _do(chores: Chores, hearing: _Hearing, message: AskLook | Begin) -> None:
    """Do what is asked, and answer."""
    if isinstance(message, AskLook):
        hearing.answer(chores.look(message))
        if message.at_all:
            chores.tidy()
        return
    assert hearing.stop is not None, "BUG: a run without its stop"
    ended = chores.carry_out(message, hearing.stop, hearing.answer)
    hearing.stop = None
    hearing.answer(ended)


def _send(channel: Connection, message: FromChild) -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()
    with suppress(BrokenPipeError, ConnectionResetError):  # The thread that hears ends the process.
        channel.send_bytes(packed(message))


def _end_with(parent: int) -> None:
    """Have the system end this process when the one that began it dies."""
    with suppress(OSError, AttributeError):  # Only Linux has it; the channel's end tells, too.
        ctypes.CDLL(None).prctl(_DEATH_OF_PARENT, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _settle(hearing: _Hearing) -> None:
    """Leave Ctrl-C to the parent, and write a stack trace when this process crashes or is ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, hearing.heed)
    signal.signal(signal.SIGTERM, hearing.heed)
    faulthandler.enable()
    faulthandler.register(signal.SIGTERM, all_threads=False, chain=True)


if __name__ == "__main__":
    main(sys.argv[1:])
