"""Reports what is declared: datasets with their writers and readers; and the graph of a past run.

Knows nothing of what exists.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from partflow.declarations.dataset import Read, Source
from partflow.declarations.graph import Graph, declared_extent, outputs
from partflow.declarations.mapping import Extent
from partflow.declarations.task import Task
from partflow.partitions.keytexts import shown_keys_in
from partflow.planning.selection import extent_of, grain_of
from partflow.report.lateness import LateReport, late_lines, late_report
from partflow.report.pauses import PausedReport, paused_lines, paused_report
from partflow.report.text import count, printable, tabled

if TYPE_CHECKING:
    from partflow.code.fingerprint import CodeFingerprint
    from partflow.code.reach import NotFollowed
    from partflow.partitions.calendar import Grain
    from partflow.planning.lateness import Lateness
    from partflow.planning.pauses import Pause

_RESERVED = {"call", "class", "click", "default", "end", "flowchart", "graph", "style", "subgraph"}


@dataclass(frozen=True, slots=True)
class ReadDeclared:
    """One read of a task: its dataset, its mapping, and the parameter that gets it."""

    dataset: str
    mapping: str
    parameter: str
    optional: bool


@dataclass(frozen=True, slots=True)
class Writer:
    """A task that writes a dataset, or an effect.

    `declared_range` is the range that it declares, if its inputs make it a smaller one; else None.
    `keeps` names what may change, "code" or "inputs", without making its partitions stale.
    """

    task: str
    place: str
    range: str
    declared_range: str | None
    reads: tuple[ReadDeclared, ...]
    code: str
    parts: tuple[str, ...]
    not_followed: tuple[NotFollowed, ...]
    keeps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Described:
    """All that is declared of a dataset, source or effect; `paused` and `late` if it is.

    `absent` counts the partitions of a source that were given up.
    """

    name: str
    kind: str
    grain: str
    range: str
    first: str | None
    last: str | None
    place: str
    path: str | None
    format: str | None
    description: str | None
    tags: tuple[str, ...]
    written_by: tuple[Writer, ...]
    read_by: tuple[str, ...]
    paused: PausedReport | None
    expect_by: str | None
    max_age: str | None
    late: LateReport | None
    absent: int


@dataclass(frozen=True, slots=True)
class GraphReport:
    """What is declared, in the order of the graph."""

    datasets: tuple[Described, ...]


def graph_report(
    graph: Graph,
    codes: Mapping[str, CodeFingerprint],
    nodes: Sequence[str],
    pauses: Mapping[str, Pause],
    late: Mapping[str, Lateness] | None = None,
    absent: Mapping[str, int] | None = None,
) -> GraphReport:
    """The report of what is declared of some nodes; `codes` are the tasks' fingerprints.

    It says who paused what, what is late, and how many partitions of each source are absent.
    """
    given_up = absent or {}
    lateness = {node: late_report(each) for node, each in (late or {}).items()}
    described = (_described(graph, codes, node, paused_report(pauses.get(node))) for node in nodes)
    return GraphReport(
        tuple(_with(d, lateness.get(d.name), given_up.get(d.name, 0)) for d in described)
    )


def _with(described: Described, late: LateReport | None, absent: int) -> Described:
    return replace(described, late=late, absent=absent)


def listing_lines(report: GraphReport) -> list[str]:
    """A table with a row for each node: grain, range, tasks, place, tags, description."""
    heads = ("name", "kind", "grain", "range", "task", "place", "tags", "description")
    rows = [
        (
            d.name,
            d.kind,
            shown_keys_in(d.grain),
            shown_keys_in(d.range),
            ", ".join(w.task for w in d.written_by) or "-",
            printable(", ".join(w.place for w in d.written_by) or d.place),
            printable(" ".join(d.tags) or "-"),
            printable(d.description or ""),
        )
        for d in report.datasets
    ]
    return [
        *tabled([heads, *rows]),
        *_absent_lines(report),
        *late_lines({d.name: d.late for d in report.datasets}),
        *paused_lines({d.name: d.paused for d in report.datasets}),
    ]


def _absent_lines(report: GraphReport) -> list[str]:
    numbers = {d.name: d.absent for d in report.datasets if d.absent}
    named = ", ".join(f"{name} {number:,}" for name, number in numbers.items())
    total = count(sum(numbers.values()), "partition")
    return [f"{total} absent, given up: {named}"] if numbers else []


def paragraphs(report: GraphReport) -> list[str]:
    """Some lines for each node on what it is made from; the number of nodes at the end."""
    lines = [line for each in report.datasets for line in _paragraph(each)]
    return [*lines, count(len(report.datasets), "dataset or effect", "datasets and effects")]


def mermaid_lines(graph: Graph, nodes: Sequence[str]) -> list[str]:
    """A Mermaid flowchart: sources are cylinders, effects flags, optional reads dashed arrows."""
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
    shown, lines = set(nodes), []
    for task in graph.tasks:
        for node in outputs(task):
            for task_input in task.inputs:
                source = task_input.read.dataset.name
                if node in shown and source in shown:
                    lines.append(f"  {_id(source)} {_arrow(task_input.read)} {_id(node)}")
    return list(dict.fromkeys(lines))


def _arrow(read: Read) -> str:
    words = read.declared.removeprefix(read.dataset.name).removesuffix(".optional()").strip(".")
    arrow = "-.->" if read.is_optional else "-->"
    return f'{arrow}|"{words}"|' if words else arrow


def _id(node: str) -> str:
    return f"{node}_" if node in _RESERVED else node


def _described(
    graph: Graph, codes: Mapping[str, CodeFingerprint], node: str, paused: PausedReport | None
) -> Described:
    dataset = graph.datasets.get(node)
    writers = graph.writers(node)
    grain, extent = grain_of(graph, node), extent_of(graph, node)
    return Described(
        name=node,
        kind="effect" if dataset is None else "source" if dataset.is_source else "dataset",
        grain=grain.describe(),
        range=_range(grain, extent),
        first=grain.key(extent.lo) if extent.hi != extent.lo else None,
        last=None if extent.hi in (None, extent.lo) else grain.key((extent.hi or 0) - 1),
        place=dataset.place if dataset is not None else writers[0].place,
        path=dataset.path if isinstance(dataset, Source) else None,
        format=None if dataset is None else dataset.stored_as.name,
        description=_description(graph, node),
        tags=tuple(sorted({tag for t in writers for tag in t.options.tags})),
        written_by=tuple(_writer(graph, codes[t.name], t) for t in writers),
        read_by=tuple(graph.downstream(node)),
        paused=paused,
        expect_by=None if dataset is None else _said_of(dataset.expect_by),
        max_age=None if dataset is None else _said_of(dataset.max_age),
        late=None,
        absent=0,
    )


def _writer(graph: Graph, code: CodeFingerprint, task: Task) -> Writer:
    extent, own = graph.task_extents[task.name], declared_extent(task)
    return Writer(
        task=task.name,
        place=task.place,
        range=_range(task.grain, extent),
        declared_range=None if own == extent else _range(task.grain, own),
        reads=tuple(
            ReadDeclared(i.read.dataset.name, i.read.declared, i.parameter, i.read.is_optional)
            for i in task.inputs
        ),
        code=code.digest,
        parts=tuple(name for name, _ in code.parts),
        not_followed=tuple(code.not_followed),
        keeps=_keeps(task),
    )


def _keeps(task: Task) -> tuple[str, ...]:
    """What may change without making a task's partitions stale."""
    options = task.options
    changes = (("code", options.on_code_change), ("inputs", options.on_input_change))
    return tuple(what for what, then in changes if then == "keep")


def _said_of(span: object) -> str | None:
    return None if span is None else str(span)


def _description(graph: Graph, node: str) -> str | None:
    """The dataset's description; else the first line of a docstring of its tasks."""
    dataset = graph.datasets.get(node)
    if dataset is not None and dataset.description:
        return dataset.description
    for task in graph.writers(node):
        docstring = (task.function.__doc__ or "").strip()
        if docstring:
            return docstring.splitlines()[0]
    return None


def _range(grain: Grain, extent: Extent) -> str:
    if extent.hi == extent.lo:
        return "none"
    first = grain.key(extent.lo)
    last = None if extent.hi is None else grain.key(extent.hi - 1)
    return first if last == first else f"{first} .. {last or ''}".rstrip()


def _paragraph(described: Described) -> list[str]:
    kind = "" if described.kind == "dataset" else f"{described.kind}, "
    told = shown_keys_in(f"{described.grain}, {described.range}")
    lines = [f"{described.name}  ({kind}{told})"]
    if described.path:
        lines.append(f"    files {described.path}, declared at {described.place}")
    for writer in described.written_by:
        verb = "done" if described.kind == "effect" else "written"
        during = f" for {shown_keys_in(writer.range)}" if len(described.written_by) > 1 else ""
        lines.append(f"    {verb} by {writer.task} at {writer.place}{during}")
        if writer.declared_range:
            declared = shown_keys_in(writer.declared_range)
            lines.append(
                f"    declared for {declared}; what lies outside of its range has nothing to read"
            )
        if writer.reads:
            lines.append(f"    reads {', '.join(r.mapping for r in writer.reads)}")
        if writer.keeps:
            verb = "is done" if described.kind == "effect" else "is made"
            lines.append(f"    what {verb} stays when {' or '.join(writer.keeps)} change")
    return [printable(line) for line in lines]


# The graph of a past run: a document of declarations that the project may have changed since


def past_graph_lines(graph: Mapping[str, Any], codes: Mapping[str, str] | None) -> list[str]:
    """A paragraph for each source and task of a past graph.

    `codes` are the present code fingerprints; None if they are not known.
    """
    datasets = {d["name"]: d for d in graph["datasets"]}
    lines = []
    for dataset in datasets.values():
        if dataset["kind"] == "source":
            lines += [
                f"{dataset['name']}  (source, {dataset['grain']})",
                f"    files {dataset['path']}, declared at {dataset['place']}",
            ]
    for task in graph["tasks"]:
        lines += _task_lines(task, datasets, codes)
    sentence = count(len(graph["tasks"]), "task or effect", "tasks and effects")
    if codes is None:
        return [*lines, sentence]
    gone = [name for name in sorted(codes) if name not in {t["name"] for t in graph["tasks"]}]
    return [*lines, f"{sentence}; since then new: {', '.join(gone)}" if gone else sentence]


def _task_lines(
    task: Mapping[str, Any], datasets: Mapping[str, Any], codes: Mapping[str, str] | None
) -> list[str]:
    kind = "" if task["kind"] == "task" else f"{task['kind']}, "
    lines = [f"{task['name']}  ({kind}{task['grain']}), declared at {task['place']}"]
    if task["reads"]:
        reads = ", ".join(f"{r['parameter']}: {r['mapping']}" for r in task["reads"])
        lines.append(f"    reads {reads}")
    if task["kind"] == "task":
        lines.append(f"    writes {', '.join(_written(datasets[n]) for n in task['writes'])}")
    if task["options"]:
        lines.append(f"    {', '.join(f'{k} {_said(v)}' for k, v in task['options'].items())}")
    return [*lines, f"    code {(task['code'] or '?')[:12]}{_since(task, codes)}"]


def _written(dataset: Mapping[str, Any]) -> str:
    column = "" if dataset["column"] is None else f" by {dataset['column']}"
    return f"{dataset['name']}{column}"


def _said(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _since(task: Mapping[str, Any], codes: Mapping[str, str] | None) -> str:
    """How the code of a task has changed since."""
    if codes is None:
        return ""
    if task["name"] not in codes:
        return ", gone since"
    return "" if codes[task["name"]] == task["code"] else f", now {codes[task['name']][:12]}"
