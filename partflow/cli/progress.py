"""Shows a run's progress: a bar on a terminal, else a plain line every few seconds.

Of a run it knows only how many steps there are, and how many are done. What failed first is told by
whoever knows the words.
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
    from partflow.execution.controls import Failed, Observer

    Tell = Callable[[Failed], None]

_EVERY = 5.0
_DRAWN_EVERY = 0.1


def _say_nothing(_: Failed) -> None:
    """Nothing."""


@contextmanager
def watched(interrupt: Interrupt, tell: Tell = _say_nothing) -> Iterator[Observer]:
    """An observer that shows a run's progress, and tells `interrupt` when the run begins.

    It calls `tell` with the first failure of each task.
    """
    if not sys.stderr.isatty():
        yield Lines(interrupt, tell)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,}"),
        TextColumn("{task.fields[failed]}"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    # Drawn when steps end, not by a thread, which would draw over a task's debugger prompt.
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as progress:
        yield Bar(interrupt, progress, tell)


@dataclass(slots=True)
class Lines:
    """Prints every few seconds how far a run is; nothing for a short run."""

    interrupt: Interrupt
    tell: Tell = _say_nothing
    now: Callable[[], float] = time.monotonic
    every: float = _EVERY
    _steps: int = 0
    _began: float = 0.0
    _said: float = 0.0

    def begun(self, steps: int) -> None:
        """Remember when the run began, and its number of steps."""
        self.interrupt.running = True
        self._steps = steps
        self._began = self._said = self.now()

    def moved(self, finished: int, failed: int) -> None:
        """Print the progress, if it was printed long enough ago."""
        at = self.now()
        # After a stop, steps that were given up count as finished: only the summary is right.
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

    def failed(self, failed: Failed) -> None:
        """Tell the first failure of a task."""
        self.tell(failed)


@dataclass(slots=True)
class Bar:
    """A bar with counts, rate and remaining time."""

    interrupt: Interrupt
    progress: Progress
    tell: Tell = _say_nothing
    _row: TaskID | None = None
    _began: float = field(default_factory=time.monotonic)
    _drawn: float = 0.0

    def begun(self, steps: int) -> None:
        """Show the bar."""
        self.interrupt.running = True
        self._began = time.monotonic()
        self._row = self.progress.add_task("", total=steps, failed="", rate="")

    def moved(self, finished: int, failed: int) -> None:
        """Update the bar; it is drawn at most ten times a second."""
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

    def failed(self, failed: Failed) -> None:
        """Tell the first failure of a task; it is printed above the bar."""
        self.tell(failed)


def spoken_rate(rate: float) -> str:
    """A rate of steps per second, or per minute if it is below one."""
    return f"{rate:,.0f}/s" if rate >= 1 else f"{rate * 60:,.0f}/min"
