"""`serve`: keeps the warehouse fresh until it is told to stop.

Knows nothing of what is decided or done: it reads the configuration, and prints what happens.
"""

from __future__ import annotations

import click

from partflow.cli.session import DONE, Session


@click.command(
    short_help="Keep the warehouse fresh by itself.",
    epilog="\b\nExample:\n  partflow serve",
)
@click.pass_obj
def serve(session: Session) -> int:
    """Make what becomes due, arrives or is corrected, until it is told to stop.

    What fails is tried again as long as that can help. SIGTERM or Ctrl-C lets what runs come to its
    end; a second one ends it at once.
    """
    from partflow.scheduler.daemon import served

    served(session.folder or ".", session.command, _say)
    return DONE


def _say(text: str) -> None:
    from partflow.report.text import printable

    click.echo(printable(text), err=True)
