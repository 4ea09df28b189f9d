"""`pause` and `resume`: what runs by itself leaves a dataset, and takes it up again.

Knows nothing of what that means for anything: it parses, calls and prints.
"""

from __future__ import annotations

import click

from partflow.cli.options import choosing, printing
from partflow.cli.session import DONE, Session
from partflow.report.text import print_json


@click.command(
    short_help="Have what runs by itself leave datasets alone.",
    epilog="\b\nExample:\n  partflow pause clean_sales+ --until 2h --why 'tills are repaired'",
)
@choosing
@click.option(
    "--until", metavar="T", help="When it goes on by itself: 2h, 3d, 2024-02-01, 2024-02-01T08:00."
)
@click.option("--why", metavar="TEXT", default="", help="What status, ls and why say of it.")
@printing("text", "json")
@click.pass_obj
def pause(
    session: Session,
    select: tuple[str, ...],
    exclude: tuple[str, ...],
    until: str | None,
    why: str,
    output: str,
) -> int:
    """Record that datasets, sources or effects are paused, since now and by you.

    What is paused can still be made by hand. Its readers go on with what there is, and it is not
    late. A date is read by the clock of each dataset's zone.
    """
    from partflow.report.document import document
    from partflow.report.pauses import paused_lines, pausing_report

    if not select:
        raise click.UsageError("pause needs to be told what: a dataset, or a selection of them")
    project = session.project()
    paused = project.upkeep.pause(project.selected(select, exclude), until, why)
    report = pausing_report(paused)
    if output == "json":
        print_json(document(report))
    else:
        click.echo("\n".join([*paused_lines(report.paused), report.sentence]))
    return DONE


@click.command(short_help="End a pause.", epilog="\b\nExample:\n  partflow resume clean_sales+")
@choosing
@printing("text", "json")
@click.pass_obj
def resume(session: Session, select: tuple[str, ...], exclude: tuple[str, ...], output: str) -> int:
    """Record that datasets, sources or effects are paused no more."""
    from partflow.report.document import document
    from partflow.report.pauses import pausing_report

    if not select:
        raise click.UsageError("resume needs to be told what: a dataset, or a selection of them")
    project = session.project()
    report = pausing_report({}, project.upkeep.resume(project.selected(select, exclude)))
    if output == "json":
        print_json(document(report))
    else:
        click.echo(report.sentence)
    return DONE
