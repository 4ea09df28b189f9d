"""`ls` and `graph`: what is declared, before anything is looked at.

Knows nothing of what exists, but for selections by `status:`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from partflow.cli.options import choosing, printing
from partflow.cli.session import Session
from partflow.partitions.keytexts import shown_keys_in
from partflow.report.text import aligned, count, print_json, printable

if TYPE_CHECKING:
    from partflow.declarations.dataset import Extent, Read
    from partflow.declarations.graph import Graph
    from partflow.declarations.task import Task
    from partflow.partitions.calendar import Grain
    from partflow.project.project import Project

_RESERVED = {"call", "class", "click", "default", "end", "flowchart", "graph", "style", "subgraph"}


@click.command(
    short_help="List datasets, sources and effects.",
    epilog="\b\nExample:\n  partflow ls tag:finance+",
)
@choosing
@printing("text", "json")
@click.pass_obj
def ls(session: Session, select: tuple[str, ...], exclude: tuple[str, ...], output: str) -> None:
    """List datasets, sources and effects: grain, range, task, place, description, tags."""
    project = session.project()
    found = [_described(project, n) for n in project.selected(select, exclude)]
    if output == "json":
        print_json({"datasets": found})
        return
    heads = ("name", "kind", "grain", "range", "task", "place", "tags", "description")
    rows = [
        (
            str(d["name"]),
            str(d["kind"]),
            shown_keys_in(d["grain"]),
            shown_keys_in(d["range"]),
            ", ".join(w["task"] for w in d["written_by"]) or "-",
            printable(", ".join(w["place"] for w in d["written_by"]) or str(d["place"])),
            printable(" ".join(d["tags"]) or "-"),
            printable(str(d["description"] or "")),
        )
        for d in found
    ]
    for line in aligned([heads, *rows]):
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
    project = session.project()
    nodes = project.selected(select, exclude)
    if output == "mermaid":
        click.echo("\n".join(_mermaid(project.graph, nodes)))
        return
    found = [_described(project, n) for n in nodes]
    if output == "json":
        print_json({"datasets": found})
        return
    for described in found:
        click.echo("\n".join(_paragraph(described)))
    click.echo(count(len(found), "dataset or effect", "datasets and effects"))


def _described(project: Project, node: str) -> dict[str, Any]:
    """All that is declared of a node."""
    from partflow.declarations.dataset import Source
    from partflow.planning.selection import extent_of, grain_of

    graph = project.graph
    dataset = graph.datasets.get(node)
    writers = graph.writers(node)
    grain, extent = grain_of(graph, node), extent_of(graph, node)
    return {
        "name": node,
        "kind": "effect" if dataset is None else "source" if dataset.is_source else "dataset",
        "grain": grain.describe(),
        "range": _range(grain, extent),
        "first": grain.key(extent.lo) if extent.hi != extent.lo else None,
        "last": None if extent.hi in (None, extent.lo) else grain.key((extent.hi or 0) - 1),
        "place": dataset.place if dataset is not None else writers[0].place,
        "path": dataset.path if isinstance(dataset, Source) else None,
        "format": None if dataset is None else dataset.stored_as.name,
        "description": _description(project, node),
        "tags": sorted({tag for t in writers for tag in t.options.tags}),
        "written_by": [_writer(project, t) for t in writers],
        "read_by": list(graph.downstream(node)),
    }


def _writer(project: Project, task: Task) -> dict[str, Any]:
    from partflow.declarations.graph import declared_extent

    extent = project.graph.task_extents[task.name]
    own = declared_extent(task)
    code = project.codes[task.name]
    return {
        "task": task.name,
        "place": task.place,
        "range": _range(task.grain, extent),
        "declared_range": None if own == extent else _range(task.grain, own),
        "reads": [
            {
                "dataset": i.read.dataset.name,
                "mapping": i.read.declared,
                "parameter": i.parameter,
                "optional": i.read.is_optional,
            }
            for i in task.inputs
        ],
        "code": code.digest,
        "parts": [name for name, _ in code.parts],
        "not_followed": [{"place": str(n.place), "what": n.what} for n in code.not_followed],
    }


def _description(project: Project, node: str) -> str | None:
    """What the dataset says of itself, else the first line that its task says."""
    dataset = project.graph.datasets.get(node)
    if dataset is not None and dataset.description:
        return dataset.description
    for task in project.graph.writers(node):
        said = (task.function.__doc__ or "").strip()
        if said:
            return said.splitlines()[0]
    return None


def _range(grain: Grain, extent: Extent) -> str:
    if extent.hi == extent.lo:
        return "none"
    first = grain.key(extent.lo)
    last = None if extent.hi is None else grain.key(extent.hi - 1)
    return first if last == first else f"{first} .. {last or ''}".rstrip()


def _paragraph(described: dict[str, Any]) -> list[str]:
    """A node with what it is made from, as some lines."""
    kind = "" if described["kind"] == "dataset" else f"{described['kind']}, "
    told = shown_keys_in(f"{described['grain']}, {described['range']}")
    lines = [f"{described['name']}  ({kind}{told})"]
    if described["path"]:
        lines.append(f"    files {described['path']}, declared at {described['place']}")
    for one in described["written_by"]:
        verb = "done" if described["kind"] == "effect" else "written"
        during = f" for {shown_keys_in(one['range'])}" if len(described["written_by"]) > 1 else ""
        lines.append(f"    {verb} by {one['task']} at {one['place']}{during}")
        if one["declared_range"]:
            declared = shown_keys_in(one["declared_range"])
            lines.append(
                f"    declared for {declared}; what lies outside of its range has nothing to read"
            )
        if one["reads"]:
            lines.append(f"    reads {', '.join(r['mapping'] for r in one['reads'])}")
    return [printable(line) for line in lines]


# --- mermaid -------------------------------------------------------------------------------------


def _mermaid(graph: Graph, nodes: Sequence[str]) -> list[str]:
    """A flowchart: sources are cylinders, effects flags; dashed is what need not be there."""
    from partflow.planning.selection import grain_of

    lines = ["flowchart LR"]
    for node in nodes:
        dataset = graph.datasets.get(node)
        label = f'"{node}<br/>{shown_keys_in(grain_of(graph, node).describe())}"'
        shape = f">{label}]" if dataset is None else f"[{label}]"
        if dataset is not None and dataset.is_source:
            shape = f"[({label})]"
        lines.append(f"  {_id(node)}{shape}")
    return lines + _edges(graph, nodes)


def _edges(graph: Graph, nodes: Sequence[str]) -> list[str]:
    from partflow.declarations.graph import outputs

    shown, lines = set(nodes), []
    for task in graph.tasks:
        for node in outputs(task):
            for one in task.inputs:
                source = one.read.dataset.name
                if node in shown and source in shown:
                    lines.append(f"  {_id(source)} {_arrow(one.read)} {_id(node)}")
    return list(_once(lines))


def _arrow(read: Read) -> str:
    words = read.declared.removeprefix(read.dataset.name).removesuffix(".optional()").strip(".")
    arrow = "-.->" if read.is_optional else "-->"
    return f'{arrow}|"{words}"|' if words else arrow


def _id(node: str) -> str:
    return f"{node}_" if node in _RESERVED else node


def _once(lines: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(lines)
