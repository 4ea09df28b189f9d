"""Shows the graph that a run had, which the project may have no longer.

Knows nothing of the present project but the code fingerprints that it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from partflow.report.text import count


def graph_lines(graph: Mapping[str, Any], codes: Mapping[str, str] | None) -> list[str]:
    """A paragraph for each source and task; `codes` are those of now, None if nobody knows."""
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
    """What became of a task since."""
    if codes is None:
        return ""
    if task["name"] not in codes:
        return ", gone since"
    return "" if codes[task["name"]] == task["code"] else f", now {codes[task['name']][:12]}"
