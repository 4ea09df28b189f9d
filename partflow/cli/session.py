"""What each command gets: the project, its history, and how the command was called.

Knows nothing of what the commands do.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from partflow.process.garbage import end_loading

if TYPE_CHECKING:
    from partflow.execution.controls import Controls
    from partflow.project.history import History
    from partflow.project.project import Project

DONE = 0
"""Done, or nothing to do."""
FAILED = 1
"""A partition failed, is blocked, or was named and cannot be made."""
PENDING = 3
"""Work is pending, with --detailed-exitcode."""
INTERRUPTED = 130


@dataclass(slots=True)
class Session:
    """One call of the command line, whose whole text is `command`; `folder` is that of --project.

    `stopped` says that somebody stopped its run by Ctrl-C or another signal.
    """

    folder: str | None = None
    command: str = "partflow"
    stopped: bool = False

    def project(self) -> Project:
        """The project, with its modules imported."""
        import click

        from partflow.project.project import Project
        from partflow.report.text import painted, printable

        project = Project.load_quietly(self.folder or ".")
        end_loading()
        for warning in project.left_out:
            click.echo(painted(f"warning: {printable(warning)}", "yellow"), err=True)
        return project

    def history(self) -> History:
        """The project's log of runs; the project's modules are not imported."""
        from partflow.project.history import History

        return History.load(self.folder or ".")

    def controls(self, *, wait: bool) -> Controls:
        """The controls for what this command begins; they print on stderr for whom it waits."""
        import click

        from partflow.execution.controls import Controls
        from partflow.report.text import printable

        return Controls(
            wait=wait,
            command=self.command,
            waiting=lambda owner: click.echo(f"waiting for {printable(owner)}", err=True),
        )

    def calls(self, *words: str) -> str:
        """A command line for this project."""
        folder = [] if self.folder is None else ["--project", self.folder]
        return shlex.join(["partflow", *folder, *words])
