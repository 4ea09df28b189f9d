"""What Ctrl-C and other signals do to a run: let it finish what it is at, or stop it now.

Knows nothing of steps but in which function they are carried out.
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
    """What Ctrl-C and signals do: before the run begins they end the command.

    Then the first Ctrl-C only asks the run to finish what is running, as `cancel --gently` does
    however often; the second, SIGTERM, and the hang-up of a connection that is gone, stop it now.
    What runs in the main thread is broken off by an exception; elsewhere the run looks at `stop` by
    itself, so that no publication is broken off. A further signal breaks off whatever it is.

    Python sees a signal only between two steps of its own. If a task does not come back from C
    within some seconds, a thread says `last_words` and ends the process.
    """

    stop: Stop
    running: bool = field(default=False)
    last_words: Callable[[], None] = lambda: None
    _is_over: threading.Event = field(default_factory=threading.Event)

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        """Be the function that a signal calls."""
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
        """Stand in for Python's own reactions meanwhile; `exit_code` is for the worst case."""
        from partflow.operations.cancel import GENTLY

        with woken() as (reading, writing):
            watching = threading.Thread(target=self._watch, args=(reading, exit_code), daemon=True)
            watching.start()
            try:
                with handled(dict.fromkeys((*_STOPPING, GENTLY), self)):
                    yield
            finally:
                self._is_over.set()
                with suppress(BlockingIOError):  # then there is enough in it that it is woken by
                    os.write(writing, _OVER)
                watching.join()

    def _watch(self, reading: int, exit_code: int) -> None:
        """See every signal, whatever the main thread is at; end the process if it is stuck."""
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
                # The run's own may have been taken by who keeps what a task writes.
                sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
                try:
                    self.last_words()
                finally:
                    os._exit(exit_code)


def _say(text: str) -> None:
    """Tell whoever is at the terminal: in a task, sys.stderr is that task's log.

    The signal may have come in the middle of a line that is being written.
    """
    with suppress(RuntimeError):
        click.echo(text, file=sys.__stderr__)


def _in_a_task(frame: FrameType | None) -> bool:
    """Whether a thread is carrying a step out, and not publishing or waiting for workers."""
    while frame is not None:
        if frame.f_code.co_name == "call" and frame.f_globals["__name__"] == _PERFORM:
            return True
        frame = frame.f_back
    return False
