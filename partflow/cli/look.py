"""`status` and `why`: how things stand, and why.

Knows nothing of how states are found; it prints what the project says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from partflow.cli.options import choosing, printing
from partflow.cli.session import Session
from partflow.errors import UsageError
from partflow.report.text import print_json

if TYPE_CHECKING:
    from partflow.project.project import Project


@click.command(
    short_help="Show the states of all datasets.",
    epilog="\b\nExample:\n  partflow status clean_sales+",
)
@choosing
@printing("text", "json")
@click.pass_obj
def status(
    session: Session, select: tuple[str, ...], exclude: tuple[str, ...], output: str
) -> None:
    """Show for each dataset its range, the states of its partitions, rows and bytes.

    The bar shows its range from left to right; each cell has the worst state of its part.
    """
    from partflow.cli.outcome import echo_faults, echo_remarks
    from partflow.planning.selection import Asked
    from partflow.planning.status import statuses
    from partflow.report.remarks import remark_documents
    from partflow.report.sentences import fault_documents
    from partflow.report.status import status_document, status_lines
    from partflow.report.strays import stray_documents, stray_lines

    project = session.project()
    plan = project.plan(asked=Asked(select, exclude))
    found = statuses(plan)
    if select or exclude:
        nodes = project.selected(select, exclude)
        found = tuple(s for s in found if s.node in nodes)
    strays = [each for each in project.upkeep.undeclared() if not (select or exclude)]
    if output == "json":
        told = {"faults": fault_documents(plan.faults), **remark_documents(plan.snapshot)}
        told["undeclared"] = stray_documents(strays)
        print_json({**status_document(found), **told})
        return
    echo_faults(plan)
    echo_remarks(plan.snapshot)
    click.echo("\n".join([*status_lines(found), *stray_lines(strays)]))


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
    from partflow.report.why import why_document, why_lines

    project = session.project()
    node = _one(project, dataset)
    found = project.why(node, _key(project, node, key))
    if output == "json":
        print_json(why_document(found))
        return
    click.echo("\n".join(why_lines(found)))


def _one(project: Project, name: str) -> str:
    """The dataset or effect of that name, or of the task of that name."""
    from partflow.declarations.graph import outputs

    if name in project.graph.nodes:
        return name
    for task in project.graph.tasks:
        if task.name == name:
            return outputs(task)[0]
    found = project.selected((name,))
    if len(found) != 1:
        raise UsageError(f"why takes one dataset or effect, and {name!r} names {len(found)}")
    return found[0]


def _key(project: Project, node: str, key: str | None) -> str:
    from partflow.planning.selection import extent_of, grain_of

    grain = grain_of(project.graph, node)
    if key is not None:
        return key
    if grain.kind == "whole":
        return "all"
    first = grain.shown(extent_of(project.graph, node).lo)
    raise UsageError(f"why {node}: which partition? name it, for example with -p {first}")
