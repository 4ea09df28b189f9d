"""A graph as a document: what a run keeps of the tasks and datasets that it had.

Knows nothing of runs, or of where the document is kept. It is made from the declarations alone:
equal projects have equal documents, and places are relative to the project.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import timedelta
from typing import Any

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.graph import Graph, outputs
from partflow.declarations.options import Options
from partflow.declarations.task import Task

LAYOUT = 1
"""The number of the document's form."""


def graph_text(graph: Graph, codes: Mapping[str, str]) -> str:
    """The document as JSON, equal for equal graphs; `codes` holds each task's code fingerprint."""
    return json.dumps(graph_document(graph, codes), sort_keys=True, ensure_ascii=False)


def graph_document(graph: Graph, codes: Mapping[str, str]) -> dict[str, Any]:
    """Tasks in the order in which they depend on one another, and datasets by name."""
    return {
        "layout": LAYOUT,
        "tasks": [_task(t, codes.get(t.name)) for t in graph.tasks],
        "datasets": [_dataset(d) for _, d in sorted(graph.datasets.items())],
    }


def _task(task: Task, code: str | None) -> dict[str, Any]:
    return {
        "name": task.name,
        "kind": "effect" if task.is_effect else "task",
        "place": str(task.place),
        "grain": task.grain.describe(),
        "reads": [
            {"parameter": i.parameter, "mapping": i.read.declared, "kind": i.kind.name.lower()}
            for i in task.inputs
        ],
        "writes": list(outputs(task)),
        "code": code,
        "options": _options(task.options),
    }


def _options(options: Options) -> dict[str, Any]:
    """The options that are not at their default, as texts and numbers."""
    plain = Options()
    values = {f.name: getattr(options, f.name) for f in fields(Options)}
    return {
        name: str(value) if isinstance(value, timedelta) else value
        for name, value in values.items()
        if value != getattr(plain, name)
    }


def _dataset(dataset: Dataset) -> dict[str, Any]:
    return {
        "name": dataset.name,
        "kind": "source" if dataset.is_source else "dataset",
        "place": str(dataset.place),
        "grain": dataset.grain.describe(),
        "column": dataset.column,
        "format": dataset.stored_as.name,
        "path": dataset.path if isinstance(dataset, Source) else None,
        "declared": dict(dataset.declared),
    }
