"""The datasets of a warehouse as views for DuckDB: which, where, and of what shape.

Knows nothing of DuckDB's words; `catalog` has those.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, cast

from partflow.catalog import View, types_of_each, write_catalog
from partflow.dataset import Dataset, Source
from partflow.errors import PublishError, ReadError
from partflow.formats import format_of
from partflow.graph import Graph
from partflow.models import Skops
from partflow.muffling import muffled
from partflow.store import Store

_TABLES = ("parquet", "csv", "ndjson")
_TRIED = 8
"""So many files of a source are tried until one can be read."""


def views_of(graph: Graph, store: Store) -> list[View]:
    """Every dataset and source that is a table, by name."""
    tables = [d for _, d in sorted(graph.datasets.items()) if d.format in _TABLES]
    schemas = {d.name: d.schema for d in tables if d.schema is not None}
    types = dict(zip(schemas, types_of_each(schemas.values()), strict=True)) if schemas else {}
    return [_view(dataset, store, types.get(dataset.name)) for dataset in tables]


def keep_catalog(graph: Graph, store: Store, *, only_missing: bool = False) -> str | None:
    """Write the warehouse's catalog if its views are not the present ones, or if there is none.

    Why it could not be written is returned and not raised: what a run made is made.
    """
    path = store.warehouse / "catalog.duckdb"
    if only_missing and (path.exists() or not graph.tasks):
        return None
    try:
        write_catalog(store.root, path, views_of(graph, store))
    except PublishError as error:
        return str(error)
    return None


def _view(dataset: Dataset, store: Store, schema: Mapping[str, str] | None) -> View:
    some = list(itertools.islice(_files(dataset, store), _TRIED))
    return View(
        name=dataset.name,
        path=_template(dataset, store),
        format=cast("Literal['parquet', 'csv', 'ndjson']", dataset.format),
        key_template=dataset.grain.template,
        column=dataset.column,
        has_files=bool(some),
        schema=schema,
        column_in_file=dataset.is_source and _is_in_file(dataset, some),
        zone=None if dataset.column is None else dataset.grain.tz,
    )


def _template(dataset: Dataset, store: Store) -> str:
    """The path of a dataset's files, with `{key}`; relative to the project if inside."""
    if isinstance(dataset, Source):
        return dataset.path
    path = store.path(dataset, "{key}")
    return (path.relative_to(store.root) if path.is_relative_to(store.root) else path).as_posix()


def _files(dataset: Dataset, store: Store) -> Iterator[Path]:
    """The files of a dataset, in no order."""
    template = _template(dataset, store)
    if dataset.column is None:
        path = store.root / template
        if path.exists():
            yield path
        return
    before, _, after = template.partition("{key}")
    top, _, first = before.rpartition("/")
    last, _, below = after.partition("/")
    # Not by a pattern, for which all of a folder is listed before its first file is found.
    with suppress(OSError), os.scandir(store.root / top) as entries:
        for entry in entries:
            path = Path(entry.path, below)
            if entry.name.startswith(first) and entry.name.endswith(last) and path.exists():
                yield path


def _is_in_file(dataset: Dataset, some: Sequence[Path]) -> bool:
    """Whether a source's own files have a column of the partition column's name.

    The first that can be read tells.
    """
    if not some:
        return False
    if dataset.schema is not None:
        return dataset.column in dataset.schema
    form = format_of(dataset)
    if isinstance(form, Skops):
        return False
    for path in some:
        with suppress(ReadError), muffled():
            return dataset.column in form.columns(path)
    return False
