"""The datasets of a warehouse as views for DuckDB: which, where, and of what shape.

Knows nothing of DuckDB's words; `catalog` has those.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, cast

from partflow.catalog import View, types_of
from partflow.dataset import Dataset, Source
from partflow.formats import format_of
from partflow.graph import Graph
from partflow.store import Store

_TABLES = ("parquet", "csv", "ndjson")


def views_of(graph: Graph, store: Store) -> list[View]:
    """Every dataset and source that is a table, by name."""
    return [
        _view(graph.datasets[name], store)
        for name in sorted(graph.datasets)
        if graph.datasets[name].format in _TABLES
    ]


def _view(dataset: Dataset, store: Store) -> View:
    first = _first_file(dataset, store)
    return View(
        name=dataset.name,
        path=_template(dataset, store),
        format=cast("Literal['parquet', 'csv', 'ndjson']", dataset.format),
        key_template=dataset.grain.template,
        column=dataset.column,
        has_files=first is not None,
        schema=None if dataset.schema is None else types_of(dataset.schema),
        column_in_file=dataset.is_source and _is_in_file(dataset, first),
    )


def _template(dataset: Dataset, store: Store) -> str:
    """The path of a dataset's files, with `{key}`; relative to the project if inside."""
    if isinstance(dataset, Source):
        return dataset.path
    path = store.path(dataset, "{key}")
    return (path.relative_to(store.root) if path.is_relative_to(store.root) else path).as_posix()


def _first_file(dataset: Dataset, store: Store) -> Path | None:
    """Some file of a dataset, if there is any."""
    template = _template(dataset, store)
    if dataset.column is None:
        path = store.root / template
        return path if path.exists() else None
    before, _, after = template.partition("{key}")
    top, _, rest = before.rpartition("/")
    return next((store.root / top).glob(f"{rest}*{after}"), None)


def _is_in_file(dataset: Dataset, path: Path | None) -> bool:
    """Whether a source's own files have a column of the partition column's name."""
    if path is None:
        return False
    if dataset.schema is not None:
        return dataset.column in dataset.schema
    return dataset.column in getattr(format_of(dataset).read(path), "columns", ())
