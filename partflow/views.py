"""The datasets of a warehouse as views for DuckDB: which, where, and of what shape.

Knows nothing of DuckDB's words; `catalog` has those.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal, cast

from partflow.catalog import View, types_of_each, write_catalog
from partflow.dataset import Dataset, Source
from partflow.formats import format_of
from partflow.graph import Graph
from partflow.models import Skops
from partflow.store import Store

_TABLES = ("parquet", "csv", "ndjson")


def views_of(graph: Graph, store: Store) -> list[View]:
    """Every dataset and source that is a table, by name."""
    tables = [d for _, d in sorted(graph.datasets.items()) if d.format in _TABLES]
    schemas = {d.name: d.schema for d in tables if d.schema is not None}
    types = dict(zip(schemas, types_of_each(schemas.values()), strict=True)) if schemas else {}
    return [_view(dataset, store, types.get(dataset.name)) for dataset in tables]


def keep_catalog(graph: Graph, store: Store, *, only_missing: bool = False) -> None:
    """Write the warehouse's catalog if its views are not the present ones, or if there is none."""
    path = store.warehouse / "catalog.duckdb"
    if only_missing and (path.exists() or not graph.tasks):
        return
    write_catalog(store.root, path, views_of(graph, store))


def _view(dataset: Dataset, store: Store, schema: Mapping[str, str] | None) -> View:
    first = _first_file(dataset, store)
    return View(
        name=dataset.name,
        path=_template(dataset, store),
        format=cast("Literal['parquet', 'csv', 'ndjson']", dataset.format),
        key_template=dataset.grain.template,
        column=dataset.column,
        has_files=first is not None,
        schema=schema,
        column_in_file=dataset.is_source and _is_in_file(dataset, first),
        zone=None if dataset.column is None else dataset.grain.tz,
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
    top, _, first = before.rpartition("/")
    last, _, below = after.partition("/")
    # Not by a pattern, for which all of a folder is listed before its first file is found.
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(store.root / top) as entries:
        for entry in entries:
            path = Path(entry.path, below)
            if entry.name.startswith(first) and entry.name.endswith(last) and path.exists():
                return path
    return None


def _is_in_file(dataset: Dataset, path: Path | None) -> bool:
    """Whether a source's own files have a column of the partition column's name."""
    if path is None:
        return False
    if dataset.schema is not None:
        return dataset.column in dataset.schema
    form = format_of(dataset)
    return not isinstance(form, Skops) and dataset.column in form.columns(path)
