"""Says what Ctrl-C and other signals do to a run: let it finish what is running, or stop it now.

Of steps it knows only the function in which a task is called.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from partflow.process.surroundings import handled, woken

if TYPE_CHECKING:
    from types import FrameType

    from partflow.execution.controls import Stop

_STOPPING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
_PERFORM = "partflow.execution.attempt.perform"
_GRACE = 2.0
_OVER = b"\0"


@dataclass(slots=True)
class Interrupt:
    """Handles Ctrl-C and other signals.

    Before the run begins they end the command. After that the first Ctrl-C asks the run to finish
    what is running, as every `cancel --gently` does. A second Ctrl-C, SIGTERM or SIGHUP (the
    terminal's connection is gone) stops the run now. A task in the main thread is broken off by an
    exception; anything else is not, so that no publication is: the run looks at `stop` by itself. A
    further signal breaks off whatever is running.

    Python handles a signal only between two of its own instructions. If a task is inside C code and
    does not return within 2 seconds, a thread calls `last_words` and ends the process.
    """

    stop: Stop
    running: bool = field(default=False)
    last_words: Callable[[], None] = lambda: None
    _is_over: threading.Event = field(default_factory=threading.Event)

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        """Handle a signal; KeyboardInterrupt if something is to be broken off."""
        if signum not in _STOPPING:
            self.stop.asked = True
            return
        if self.running and not self.stop.asked and signum == signal.SIGINT:
            self.stop.asked = True
            _say("finishing what is running; Ctrl-C again stops now")
            return
        is_first = not self.stop.now
        self.stop.asked = self.stop.now = True
        if not self.running or not is_first or _in_a_task(frame):
            raise KeyboardInterrupt
        _say("stopping now")

    @contextmanager
    def armed(self, exit_code: int) -> Iterator[None]:
        """Handle signals in place of Python until the end of the block.

        `exit_code` is that of the process if a thread has to end it.
        """
        from partflow.operations.cancel import GENTLY

        with woken() as (reading, writing):
            watching = threading.Thread(target=self._watch, args=(reading, exit_code), daemon=True)
            watching.start()
            try:
                with handled(dict.fromkeys((*_STOPPING, GENTLY), self)):
                    yield
            finally:
                self._is_over.set()
                with suppress(BlockingIOError):  # The pipe is full, so the thread is woken anyway.
                    os.write(writing, _OVER)
                watching.join()

    def _watch(self, reading: int, exit_code: int) -> None:
        """Read every signal, whatever the main thread does; end the process if it is stuck."""
        interrupts = 0
        while not self._is_over.is_set():
            came = os.read(reading, 1)[0]
            interrupts += came == signal.SIGINT
            stops = came in _STOPPING and came != signal.SIGINT
            if not (stops or interrupts > 1) or not self.running:
                continue
            if self._is_over.wait(_GRACE):
                return
            if _in_a_task(sys._current_frames().get(threading.main_thread().ident or 0)):  # noqa: SLF001
                # They may be replaced while a task's output is captured.
                sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
                try:
                    self.last_words()
                finally:
                    os._exit(exit_code)


def _say(text: str) -> None:
    """Print on the real stderr, because within a task sys.stderr is the task's log.

    RuntimeError, raised if the signal came while a line was being written, is ignored.
    """
    with suppress(RuntimeError):
        click.echo(text, file=sys.__stderr__)


def _in_a_task(frame: FrameType | None) -> bool:
    """Whether a thread is calling a task's function, and not publishing or waiting for workers."""
    while frame is not None:
        if frame.f_code.co_name == "call" and frame.f_globals["__name__"] == _PERFORM:
            return True
        frame = frame.f_back
    return False
