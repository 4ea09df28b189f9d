"""`serve`: keeps the warehouse fresh until it is told to stop.

Knows nothing of what is decided or done: it reads the configuration, and prints what happens.
"""

from __future__ import annotations

import click

from partflow.cli.session import DONE, FAILED, Session


@click.command(
    short_help="Keep the warehouse fresh by itself.",
    epilog="\b\nExample:\n  partflow serve",
)
@click.option(
    "--once",
    is_flag=True,
    help="Do what there is to be done, and end: with 1 if something failed or is late.",
)
@click.option(
    "--no-wait", is_flag=True, help="With --once: exit with 4, not 0, if another serve leads."
)
@click.pass_obj
def serve(session: Session, once: bool, no_wait: bool) -> int:
    """Make what becomes due, arrives or is corrected, until it is told to stop.

    What fails is tried again as long as that can help. A second serve of the same warehouse stands
    by, and takes over when the first is gone. SIGTERM or Ctrl-C lets what runs come to its end; a
    second one ends it at once.
    """
    from partflow.scheduler.daemon import Daemon

    if no_wait and not once:
        raise click.UsageError("--no-wait is for --once: without it, serve stands by")
    daemon = Daemon.of(session.folder or ".", session.command, _say)
    if once:
        return DONE if daemon.once(wait=not no_wait) else FAILED
    daemon.serve()
    return DONE


def _say(text: str) -> None:
    from partflow.report.text import printable

    click.echo("\n".join(printable(line) for line in text.split("\n")), err=True)
