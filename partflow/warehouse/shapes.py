"""Finds which files of a dataset are shown, and the columns of each, by the record or by a look.

Knows nothing of SQL or of freshness: files that are there are shown, whatever they were made from.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Literal, cast

from partflow.declarations.dataset import Source
from partflow.errors import ReadError
from partflow.formats.known import format_of
from partflow.formats.schemas import blank_lines_in, is_unshown, schema_in, schema_known
from partflow.metastore.columncache import ColumnCache
from partflow.planning.snapshot import Unreadable
from partflow.planning.upstream import horizon_of
from partflow.process.muffling import muffled
from partflow.store.identity import FileIdentity
from partflow.store.protocol import file_of
from partflow.warehouse.closerlook import contents_at, said_of
from partflow.warehouse.setcontents import RememberedSet, remembered_sets, shapes_of_set
from partflow.warehouse.wholefiles import identities_of_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from partflow.declarations.dataset import Dataset
    from partflow.declarations.graph import Graph
    from partflow.metastore.columns import Columns
    from partflow.metastore.protocol import Metastore, Observations
    from partflow.store.protocol import Store

_Identity = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Part:
    """Partitions whose files have one schema, by their keys in order; no keys stand for all.

    `files` are the paths of these files where partitions have several, else there are none.
    `is_unshown` says that SQL cannot read their rows. `skip` is the number of blank lines before
    the header of each file, if they are CSV.
    """

    keys: tuple[str, ...]
    schema: Mapping[str, pl.DataType]
    skip: int = 0
    is_unshown: bool = False
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shape:
    """The partitions of a dataset that are shown, in parts of one schema, by their first key.

    `strays` are the keys of files that lie beside them and are not shown. `unread` says by key what
    is wrong with files that cannot be read; these are in no part.
    """

    parts: tuple[Part, ...]
    strays: tuple[str, ...] = ()
    unread: tuple[tuple[str, Unreadable], ...] = ()


class Closely(Enum):
    """How closely files of tasks are looked at; each looks at more than the one before it."""

    RECORD = "at what is recorded"
    NAMES = "at what lies in the folder, by its name"
    FILES = "at the stat of each file"


@dataclass(frozen=True, slots=True)
class Looker:
    """Finds the shapes of datasets; `now` is in epoch seconds."""

    graph: Graph
    store: Store
    metastore: Metastore
    now: int

    def shape(self, dataset: Dataset, closely: Closely) -> Shape:
        """The shape of a dataset, from the record, and from its files as closely as is said.

        The files of a source are always looked at, because the record does not have those that came
        after it.
        """
        if isinstance(dataset, Source) and dataset.has_several_files:
            return self._of_sets(dataset, self._keys(dataset))
        if dataset.column is None:
            return self._looked(dataset, [dataset.grain.key(0)], ())
        lo, hi = self.graph.dataset_extents[dataset.name].lo, self._horizon(dataset)
        only = None if dataset.is_source or hi <= lo else self._only(dataset, lo, hi)
        if only is not None and closely is Closely.RECORD:
            return Shape((Part((), only),))
        if only is not None and closely is Closely.NAMES and not self._unrecorded(dataset):
            return Shape((Part((), only),))
        keys = dataset.grain.keys(lo, hi) if hi > lo else []
        if only is not None and closely is Closely.FILES and self._is_as_recorded(dataset, keys):
            return Shape((Part((), only),))
        strays = tuple(sorted(keys_there(self.store, dataset, map(str.encode, keys))))
        return self._looked(dataset, keys, strays)

    def unread(self, dataset: Dataset, keys: Sequence[str]) -> tuple[tuple[str, Unreadable], ...]:
        """What is wrong with those of these partitions' files that cannot be read, by key.

        As for `shape`, only files are read that are not as recorded.
        """
        if isinstance(dataset, Source) and dataset.has_several_files:
            return self._of_sets(dataset, keys).unread
        return self._looked(dataset, keys, ()).unread

    def _only(self, dataset: Dataset, lo: int, hi: int) -> Mapping[str, pl.DataType] | None:
        """The schema of all that is recorded; None if there are several, or keys out of range."""
        known = self.metastore.schemas(dataset.name)
        if len(known) != 1:
            return None
        first, last = self.metastore.key_range(dataset.name)
        ends = dataset.grain.keys(lo, lo + 1)[0], dataset.grain.keys(hi - 1, hi)[0]
        return (
            schema_known(next(iter(known.values())))
            if ends[0] <= first and last <= ends[1]
            else None
        )

    def _is_as_recorded(self, dataset: Dataset, keys: Sequence[str]) -> bool:
        """Whether the files are the recorded ones, and no others are named like a key.

        They are compared as arrays: one by one they would take as long as the query itself.
        """
        import numpy as np

        columns = self._columns(dataset)
        names = np.array(keys, np.bytes_)
        at = np.minimum(np.searchsorted(names, columns.key), len(names) - 1)
        recorded = np.full((len(names), 4), -1, np.int64)
        recorded[at[names[at] == columns.key]] = columns.identity[names[at] == columns.key]
        is_same = np.array_equal(recorded, self.store.identities(dataset, keys))
        return is_same and not keys_there(self.store, dataset, names.tolist())

    def _unrecorded(self, dataset: Dataset) -> set[str]:
        """Keys in the folder that have no record, but that a pattern for files would match."""
        return keys_there(self.store, dataset, self._columns(dataset).key.tolist())

    def _columns(self, dataset: Dataset) -> Columns:
        return ColumnCache(self.metastore, self.store.layout.columns).load(dataset.name)

    def _horizon(self, dataset: Dataset) -> int:
        return horizon_of(self.graph, dataset.name, self.now)

    def _looked(self, dataset: Dataset, keys: Sequence[str], strays: tuple[str, ...]) -> Shape:
        """The shape of those of these partitions that are there, from a look at each file."""
        recorded = self.metastore.shapes(dataset.name)
        present = identities_of_whole(self.store, dataset, keys, self.now * 10**9)
        stats = map(tuple, present.tolist())
        groups: dict[str, list[str]] = {}
        unread: list[tuple[str, Unreadable]] = []
        for key, stat in zip(keys, cast("Iterator[_Identity]", stats), strict=True):
            if stat[0] < 0:
                continue
            text, identity = recorded.get(key, ("", None))
            if schema_known(text) is None or not _is_same(dataset, identity, stat):
                text_or_fault = self._text(dataset, key, is_new=identity is None)
                if isinstance(text_or_fault, Unreadable):
                    unread.append((key, text_or_fault))
                    continue
                text = text_or_fault
            groups.setdefault(text, []).append(key)
        parts = [
            Part(tuple(of), schema_in(text), blank_lines_in(text), is_unshown(text))
            for text, of in groups.items()
        ]
        # A pattern would match files that are not whole yet, too.
        is_listed = isinstance(dataset, Source) and dataset.is_awaited_whole and dataset.column
        if len(parts) == 1 and not (is_listed or strays or unread or parts[0].is_unshown):
            parts = [replace(parts[0], keys=())]
        return Shape(tuple(parts), strays, tuple(unread))

    def _keys(self, dataset: Dataset) -> list[str]:
        lo, hi = self.graph.dataset_extents[dataset.name].lo, self._horizon(dataset)
        return dataset.grain.keys(lo, hi) if hi > lo else []

    def _of_sets(self, source: Source, keys: Sequence[str]) -> Shape:
        """The shape of partitions with several files, by what is remembered of each file."""
        present = identities_of_whole(self.store, source, keys, self.now * 10**9)
        remembered = remembered_sets(self.metastore, source)
        groups: dict[str, dict[str, str]] = {}
        unread: list[tuple[str, Unreadable]] = []
        for i in (present[:, 0] >= 0).nonzero()[0].tolist():
            key = keys[i]
            try:
                was = RememberedSet.from_text(remembered.get(key))
                texts = shapes_of_set(source, self.store.set_of(source, key), was)
            except (ReadError, OSError) as error:
                path = self.store.layout.path(source, key)
                unread.append((key, said_of(self.store, source, path, error)))
                continue
            for path_text, text in texts.items():
                groups.setdefault(text, {})[self._near(path_text)] = key
        parts = [
            Part(
                tuple(dict.fromkeys(of.values())), schema_in(text), blank_lines_in(text),
                is_unshown(text), tuple(of),
            )
            for text, of in groups.items()
        ]  # fmt: skip
        return Shape(tuple(parts), (), tuple(unread))

    def _near(self, path: str) -> str:
        """The path relative to the project's folder, if it is below that."""
        return path.removeprefix(f"{self.store.layout.root}/")

    def _text(self, dataset: Dataset, key: str, *, is_new: bool) -> str | Unreadable:
        """The text of a file's schema, or what is wrong with the file.

        The whole file is read, as a run would do, because it may be at fault. Only the footer is
        read of a task's file that is not recorded yet: it is as the task left it.
        """
        path = file_of(self.store, dataset, key)
        try:
            if is_new and not dataset.is_source:
                with muffled():
                    return schema_at(dataset, path) or "[]"
            format_of(dataset).require_likely(path)
            return contents_at(dataset, path, is_small=False).schema or "[]"
        except (ReadError, OSError) as error:
            return said_of(self.store, dataset, path, error)


def schema_at(dataset: Dataset, path: Path) -> str | None:
    """The text of a file's schema; None for what is no table. ReadError if it cannot be read.

    A file of text is read to the end for it, because only its values tell the types.
    """
    return format_of(dataset).schema_text(path)


def describe(graph: Graph, store: Store, metastore: Metastore) -> None:
    """Look up and record the schemas that older versions did not record.

    If a file is gone, or is not the recorded one, "" is recorded, which means: not known.
    """
    looked_up = []
    for dataset in graph.datasets.values():
        if not dataset.stored_as.is_table:
            continue
        for key in metastore.unlooked(dataset.name):
            (record,) = metastore.records(dataset.name, key)
            size = int(store.identities(dataset, [key])[0, 0])
            text = None
            if size == record.nbytes or (record.identity and size == record.identity.size):
                try:
                    with muffled():
                        text = schema_at(dataset, file_of(store, dataset, key))
                except (ReadError, OSError):
                    text = None
            looked_up.append((dataset.name, key, record.content, text or ""))
    if looked_up:
        metastore.describe(looked_up)


def is_described(graph: Graph, metastore: Observations) -> bool:
    """Whether `describe` has nothing to do."""
    names = (d.name for d in graph.datasets.values() if d.stored_as.is_table)
    return not any(metastore.unlooked(name, at_most=1) for name in names)


def is_shown(graph: Graph, store: Store, metastore: Metastore) -> bool:
    """Whether the catalog is there and shows what is declared; True if there is to be none."""
    if not has_catalog(graph, store):
        return True
    declared = metastore.shown.partition(" ")[0]
    return (store.layout.warehouse / CATALOG).exists() and declared == digest_shown(graph, store)


def has_catalog(graph: Graph, store: Store) -> bool:
    """Whether there is to be a catalog: all tables' files can be read in place."""
    tables = (d for d in graph.datasets.values() if d.stored_as.is_table)
    return all(store.pattern(dataset) is not None for dataset in tables)


def digest_shown(graph: Graph, store: Store) -> str:
    """A digest of all declarations that decide what is shown of the datasets."""
    extents = graph.dataset_extents
    declared = [
        (name, extents[name].lo, extents[name].hi, d.grain.describe(), d.column, d.stored_as.name,
         _shown_of(d, store) if isinstance(d, Source) else "", d.declared)
        for name, d in sorted(graph.datasets.items())
    ]  # fmt: skip
    return hashlib.sha256(repr((_SHOWN, declared)).encode()).hexdigest()[:16]


def _shown_of(source: Source, store: Store) -> str:
    """What of a source's path and of its files' wholeness decides which files are shown."""
    wholeness = [source.complete, str(source.settles)] if source.is_awaited_whole else []
    folders = [store.layout.paths_of(source).folder] if source.outside else []
    return "\n".join(filter(None, [source.path, *wholeness, *folders]))


CATALOG = "catalog.duckdb"
"""The name of the file in the warehouse that has a view of every dataset for DuckDB."""

_SHOWN = 2
"""The number of the rules by which a catalog is written; raise it when they change."""


def keys_there(store: Store, dataset: Dataset, but: Iterable[bytes] = ()) -> set[str]:
    """The texts under a dataset's name that have the shape of its grain's keys, except `but`."""
    template = dataset.grain.template
    return {key for key in store.keys(dataset, but) if key.translate(_DIGITS) == template}


_DIGITS = str.maketrans("123456789", "000000000")


def _is_same(dataset: Dataset, recorded: _Identity | None, present: _Identity) -> bool:
    """Whether a file is the recorded one.

    Of a file that was too young when it was recorded, only the size is recorded. If such a file is
    text, an equal size is enough: otherwise each query would read it to the end. If it is another
    file after all, a value that does not fit the schema is an error when it is read.
    """
    if recorded == present:
        return True
    is_young = recorded is not None and FileIdentity(*recorded).is_unproven
    is_text = dataset.stored_as.is_text
    return is_young and is_text and recorded is not None and recorded[0] == present[0]


Format = Literal["parquet", "csv", "ndjson"]
