"""`ls` and `graph`: what is declared.

Knows nothing of what exists, except for selections by `status:`, of what is paused or absent, and
of what is late where something is expected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from partflow.cli.options import choosing, printing
from partflow.cli.session import Session
from partflow.report.text import print_json

if TYPE_CHECKING:
    from partflow.declarations.graph import Graph


@click.command(
    short_help="List datasets, sources and effects.",
    epilog="\b\nExample:\n  partflow ls tag:finance+",
)
@choosing
@printing("text", "json")
@click.pass_obj
def ls(session: Session, select: tuple[str, ...], exclude: tuple[str, ...], output: str) -> None:
    """List datasets, sources and effects: grain, range, task, place, description, tags."""
    from partflow.report.document import document
    from partflow.report.graph import graph_report, listing_lines

    project = session.project()
    nodes = project.selected(select, exclude)
    late = project.late() if any(_is_expected(project.graph, node) for node in nodes) else {}
    report = graph_report(
        project.graph, project.codes, nodes, project.paused(), late, project.absent()
    )
    if output == "json":
        print_json(document(report))
        return
    for line in listing_lines(report):
        click.echo(line)


@click.command(
    short_help="Show what is made from what.",
    epilog="\b\nExample:\n  partflow graph +monthly_sales --output mermaid",
)
@choosing
@printing("text", "json", "mermaid")
@click.pass_obj
def graph(session: Session, select: tuple[str, ...], exclude: tuple[str, ...], output: str) -> None:
    """Show what is made from what: grains, ranges, who writes, who reads."""
    from partflow.report.document import document
    from partflow.report.graph import graph_report, mermaid_lines, paragraphs

    project = session.project()
    nodes = project.selected(select, exclude)
    if output == "mermaid":
        click.echo("\n".join(mermaid_lines(project.graph, nodes)))
        return
    report = graph_report(
        project.graph, project.codes, nodes, project.paused(), None, project.absent()
    )
    if output == "json":
        print_json(document(report))
        return
    for line in paragraphs(report):
        click.echo(line)


def _is_expected(graph: Graph, node: str) -> bool:
    dataset = graph.datasets.get(node)
    return dataset is not None and dataset.expected is not None
