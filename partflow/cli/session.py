"""What one command line has at hand: the project, how it was called, and a way to be stopped.

Knows nothing of what the commands do.
"""

from __future__ import annotations

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from types import FrameType

    from partflow.project import Project, Stop

DONE = 0
"""Done, or nothing to do."""
FAILED = 1
"""A partition failed, is blocked, or was named and cannot be made."""
PENDING = 3
"""Work is pending, with --detailed-exitcode."""
INTERRUPTED = 130


@dataclass(slots=True)
class Session:
    """One call of the command line; `folder` is what --project said, `command` all of it."""

    folder: str | None = None
    command: str = "partflow"

    def project(self) -> Project:
        """The project, with its modules imported."""
        from partflow.project import Project

        return Project.load(self.folder or ".")

    def again(self, command: str, node: str, *more: str) -> str:
        """A command line for a node of this project."""
        return self.calls(command, node, *more)

    def calls(self, *words: str) -> str:
        """A command line for this project."""
        folder = [] if self.folder is None else ["--project", self.folder]
        return shlex.join(["partflow", *folder, *words])


@dataclass(slots=True)
class Interrupt:
    """What Ctrl-C does: before the run begins it ends the command, then it first only asks."""

    stop: Stop
    running: bool = field(default=False)

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        """Be the function that a signal calls."""
        del signum, frame
        if not self.running or self.stop.asked:
            raise KeyboardInterrupt
        self.stop.asked = True
        click.echo("finishing what is running; Ctrl-C again stops now", err=True)

    @contextmanager
    def armed(self) -> Iterator[None]:
        """Stand in for Python's own reaction to Ctrl-C meanwhile."""
        before = signal.signal(signal.SIGINT, self)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)
