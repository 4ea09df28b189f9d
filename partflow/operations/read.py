"""Reads a dataset's published partitions for notebooks, scripts and tests.

Knows nothing of freshness: it reads whatever is there, in order of partition.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, cast

from partflow.declarations.dataset import Dataset
from partflow.declarations.graph import Graph
from partflow.declarations.parameters import ParameterKind
from partflow.declarations.storedas import SKOPS
from partflow.errors import ReadError, UsageError
from partflow.planning.planner import horizon_of
from partflow.planning.selection import Asked, request_of, told_as_read
from partflow.planning.selectors import select
from partflow.warehouse.reading import Wanted, keys_of, read_partitions
from partflow.warehouse.shapes import Looker
from partflow.warehouse.wholefiles import identities_of_whole

if TYPE_CHECKING:
    import polars as pl


def require_tables(graph: Graph, missed: UsageError) -> None:
    """Raise UsageError if the table that a query misses is a dataset that is no table."""
    name = re.search(r"Table with name (\S+) does not exist", str(missed))
    dataset = graph.datasets.get(name[1].lower()) if name else None
    if dataset is not None and not dataset.stored_as.is_table:
        raise UsageError(f"query: {_of_no_table(dataset)}") from None


def _of_no_table(dataset: Dataset) -> str:
    kept = dataset.stored_as
    kind = "a skops model" if kept == SKOPS else f"of the format {kept.name!r}"
    return f"{dataset.name} is no table but {kind}; read its files yourself"


def read_dataset(looker: Looker, asked: Asked) -> pl.LazyFrame:
    """The rows of those partitions that are asked for and there, with their partition column.

    Requires: `asked` selects one name.

    Raises:
        UsageError: it names no dataset of tables, or nothing is there and no schema is declared.
        ReadError: a file of these partitions cannot be read, whatever columns are asked for.
    """
    graph, store, now = looker.graph, looker.store, looker.now
    (name,) = asked.select
    if name not in graph.datasets:
        select(graph, (name,))  # Raises if there is no such name, and suggests one.
        raise UsageError(f"{name} is an effect; it stores nothing that could be read")
    dataset = graph.datasets[name]
    if not dataset.stored_as.is_table:
        raise UsageError(_of_no_table(dataset))
    wanted = (request_of(graph, asked, {}).wanted or {})[name]
    lo, hi = graph.dataset_extents[name].lo, horizon_of(graph, name, now)
    keys = dataset.grain.keys(lo, hi) if hi > lo else []
    present = identities_of_whole(store, dataset, keys, now * 10**9)
    there = (present[:, 0] >= 0) & wanted.mask(lo, max(lo, hi))
    ordinals = [lo + i for i in there.nonzero()[0].tolist()]
    if not ordinals and dataset.schema is None:
        raise UsageError(
            f"nothing of {name} is there between {asked.start or 'its start'} and "
            f"{asked.end or 'its end'}{told_as_read(dataset.grain, asked.start, asked.end)}, and "
            "it declares no schema; `partflow status` shows what "
            "there is"
        )
    for _, wrong in looker.unread(dataset, keys_of(dataset, ordinals)):
        raise ReadError(str(store.layout.found(wrong.file)), wrong.reason, wrong.advice)
    frame = read_partitions(store, Wanted(dataset, ordinals), ParameterKind.LAZY)
    return cast("pl.LazyFrame", frame)
