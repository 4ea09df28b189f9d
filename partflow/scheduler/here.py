"""The world of `serve` on this machine: the wall's clock, its children, and signals.

Knows nothing of what is decided. See `Outside`.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait

from partflow.process.surroundings import handled, woken
from partflow.project.settings import Scheduling
from partflow.scheduler.crew import Crew
from partflow.scheduler.fileevents import FileEvents
from partflow.scheduler.messages import Begin
from partflow.scheduler.news import Delivered, News, Stirred, Stopped
from partflow.scheduler.outlook import Outlook

_STOPPING = (signal.SIGINT, signal.SIGTERM)
_WOKEN, _STIRRED = 0, 255
"""What is written to the pipe that is the number of no signal."""
_LONGEST = 2.0
"""The longest wait in seconds: so soon it sees that modules were edited, or a suspend is over."""


class Here:
    """This machine, with the children of a project; use it in `opened`."""

    def __init__(
        self, crew: Crew, settings: Scheduling, command: str, longest: float = _LONGEST
    ) -> None:
        self._crew, self._settings, self._command = crew, settings, command
        self._longest = min(longest, _LONGEST)
        self._wakes = self._waking = -1
        self._events = FileEvents(self._stir)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hear signals in the block; at its end there is no child any more."""
        with woken() as (reading, writing), handled(dict.fromkeys(_STOPPING, _heard)):
            self._wakes, self._waking = reading, writing
            os.set_blocking(reading, False)
            try:
                yield
            finally:
                self._events.close()
                self._crew.close()
                self._waking = -1  # what a thread may still write goes nowhere

    def now(self) -> float:
        """The time in epoch seconds."""
        return time.time()  # noqa: TID251 - the clock of `serve`, which is handed on from here

    def look(self, *, at_all: bool) -> None:
        """Have a child look."""
        self._crew.look(at_all=at_all)

    def begin(self, number: int, outlook: Outlook, *, is_apart: bool) -> None:
        """Have a child carry a run out."""
        settings = self._settings
        begin = Begin(settings.run_at_most, self._command, settings.jobs, is_apart)
        self._crew.begin(number, begin, outlook.graph)

    def halt(self, *, now: bool) -> None:
        """Let runs begin nothing more, or give up what is under way, too."""
        self._crew.halt(now=now)

    def news(self, until: float) -> Sequence[News]:
        """Wait for news of children or signals, until that moment at the latest."""
        news = self._crew.tend()
        patience = 0.0 if news else min(until - self.now(), self._crew.alarm(), self._longest)
        ready = wait([self._wakes, *self._crew.channels], max(0.0, patience))
        news += [*self._signals(), *self._crew.hear(ready)]
        self._events.watch(self._crew.folders)
        return news

    def is_stopped(self, within: float) -> bool:
        """Wait at most so many seconds; whether a signal has asked to stop."""
        wait([self._wakes], within)
        return bool(self._signals())

    def _signals(self) -> list[News]:
        with suppress(BlockingIOError):
            numbers = set(os.read(self._wakes, 64))
            woken: list[News] = [Delivered()] if _WOKEN in numbers else []
            woken += [Stirred()] if _STIRRED in numbers else []
            return [*(Stopped() for number in _STOPPING if number in numbers), *woken]
        return []

    def wake(self) -> None:
        """End the wait for news, from any thread."""
        self._write(_WOKEN)

    def _stir(self) -> None:
        self._write(_STIRRED)

    def _write(self, number: int) -> None:
        with suppress(OSError):
            os.write(self._waking, bytes([number]))


def _heard(signum: int, frame: object) -> None:
    """Nothing: what counts is that the number was written to the pipe."""
