"""Shows how a run gets on: a bar on a terminal, else a plain line now and then.

Knows nothing of what runs but how many steps there are and how many are done.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from partflow.cli.stopping import Interrupt
    from partflow.execution.controls import Observer

_EVERY = 5.0
_DRAWN_EVERY = 0.1


@contextmanager
def watched(interrupt: Interrupt) -> Iterator[Observer]:
    """What watches a run; Ctrl-C asks it to end from the moment on that it begins."""
    if not sys.stderr.isatty():
        yield Lines(interrupt)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    # Drawn as steps end, not by a thread: that would draw over a debugger's prompt in a task.
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as progress:
        yield Bar(interrupt, progress)


@dataclass(slots=True)
class Lines:
    """Says every few seconds how far a run is; says nothing of a short one."""

    interrupt: Interrupt
    now: Callable[[], float] = time.monotonic
    every: float = _EVERY
    _steps: int = 0
    _began: float = 0.0
    _said: float = 0.0

    def begun(self, steps: int) -> None:
        """Remember when, and of how many."""
        self.interrupt.running = True
        self._steps = steps
        self._began = self._said = self.now()

    def moved(self, finished: int, failed: int) -> None:
        """Say it, if the last time was long enough ago."""
        at = self.now()
        # What is given up counts as finished: then the summary tells.
        if at - self._said < self.every or not finished or self.interrupt.stop.asked:
            return
        self._said = at
        rate = finished / (at - self._began)
        left = (self._steps - finished) / rate
        click.echo(
            f"{finished:,} of {self._steps:,} done, {failed:,} failed, {spoken_rate(rate)}, "
            f"{left:,.0f} s left",
            err=True,
        )


@dataclass(slots=True)
class Bar:
    """A bar with counts, rate and the time that is left."""

    interrupt: Interrupt
    progress: Progress
    _row: TaskID | None = None
    _began: float = field(default_factory=time.monotonic)
    _drawn: float = 0.0

    def begun(self, steps: int) -> None:
        """Show the bar."""
        self.interrupt.running = True
        self._began = time.monotonic()
        self._row = self.progress.add_task("", total=steps, failed="", rate="")

    def moved(self, finished: int, failed: int) -> None:
        """Move it; it is drawn some times a second, however often it moves."""
        if self._row is None:
            return
        at = time.monotonic()
        passed = max(at - self._began, 0.001)
        self.progress.update(
            self._row,
            completed=finished,
            failed=f"[red]{failed:,} failed[/red]" if failed else "",
            rate=spoken_rate(finished / passed),
        )
        if at - self._drawn >= _DRAWN_EVERY:
            self._drawn = at
            self.progress.refresh()


def spoken_rate(rate: float) -> str:
    """Steps a second, or a minute if that is easier to read."""
    return f"{rate:,.0f}/s" if rate >= 1 else f"{rate * 60:,.0f}/min"
