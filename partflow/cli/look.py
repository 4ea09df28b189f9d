"""`status` and `why`: the states of partitions, and the reasons for them.

Knows nothing of how states are found: it prints what the project says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from partflow.cli.options import choosing, printing
from partflow.cli.session import DONE, FAILED, Session
from partflow.errors import UsageError
from partflow.report.text import print_json

if TYPE_CHECKING:
    from partflow.project.project import Project


@click.command(
    short_help="Show the states of all datasets.",
    epilog="\b\nExample:\n  partflow status clean_sales+",
)
@choosing
@click.option(
    "--check",
    is_flag=True,
    help="Exit with 1 if something is late, blocked, failed or in doubt, or nobody can be told.",
)
@printing("text", "json", "prometheus")
@click.pass_obj
def status(
    session: Session, select: tuple[str, ...], exclude: tuple[str, ...], check: bool, output: str
) -> int:
    """Show for each dataset its range, the states of its partitions, rows and bytes.

    The bar shows its range from left to right; each cell has the worst state of its part.
    """
    from partflow.cli.outcome import echo_faults, echo_perhaps_done, echo_remarks
    from partflow.planning.selection import Asked
    from partflow.planning.status import statuses
    from partflow.report.document import document
    from partflow.report.metrics import metrics_lines
    from partflow.report.status import is_well, status_lines, status_report
    from partflow.scheduler.channelstates import failing_channels
    from partflow.scheduler.leading import serving_of

    project = session.project()
    plan = project.plan(asked=Asked(select, exclude))
    nodes = set(project.selected(select, exclude))
    lying = () if select or exclude else project.upkeep.undeclared()
    chosen = [s for s in statuses(plan) if s.node in nodes]
    with project.metastore.looked_at() as metastore:
        failing = failing_channels(metastore, project.config)
    serving = serving_of(project.store.layout.serving)
    report = status_report(plan, chosen, lying, project.failures(), failing, serving)
    code = FAILED if check and not is_well(report) else DONE
    if output == "prometheus":
        click.echo("\n".join(metrics_lines(plan, chosen)))
        return code
    if output == "json":
        print_json(document(report))
        return code
    echo_perhaps_done(report.perhaps_done)
    echo_faults(report.faults)
    echo_remarks(report.remarks)
    click.echo("\n".join(status_lines(report)))
    return code


@click.command(
    short_help="Say why a partition is in its state.",
    epilog="\b\nExample:\n  partflow why monthly_sales -p 2024-01",
)
@click.argument("dataset")
@click.option("-p", "--partition", "key", metavar="KEY", help="The partition, such as 2024-01-03.")
@printing("text", "json")
@click.pass_obj
def why(session: Session, dataset: str, key: str | None, output: str) -> None:
    """Say the state of a partition, why, what it was made from, when, and by which run."""
    from partflow.report.document import document
    from partflow.report.why import why_lines, why_report
    from partflow.scheduler.retrials import retrial_of

    project = session.project()
    node = _one(project, dataset)
    found = project.why(node, _key(project, node, key))
    with project.metastore.looked_at() as metastore:
        report = why_report(found, retrial_of(project.graph, metastore, node, found.key))
    if output == "json":
        print_json(document(report))
        return
    click.echo("\n".join(why_lines(report)))


def _one(project: Project, name: str) -> str:
    """The dataset or effect of that name, or the first that a task of that name writes.

    UsageError if the name stands for none or for several.
    """
    from partflow.declarations.graph import outputs

    if name in project.graph.nodes:
        return name
    for task in project.graph.tasks:
        if task.name == name:
            return outputs(task)[0]
    names = project.selected((name,))
    if len(names) != 1:
        raise UsageError(f"why takes one dataset or effect, and {name!r} names {len(names)}")
    return names[0]


def _key(project: Project, node: str, key: str | None) -> str:
    from partflow.planning.selection import extent_of, grain_of

    grain = grain_of(project.graph, node)
    if key is not None:
        return key
    if grain.kind == "whole":
        return "all"
    first = grain.shown(extent_of(project.graph, node).lo)
    raise UsageError(f"why {node}: which partition? name it, for example with -p {first}")
