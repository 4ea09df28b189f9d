"""Describes the datasets of a warehouse as views for DuckDB: where their files are, and columns.

Knows no SQL: `viewsql` and `catalog` have that.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from partflow.declarations.dataset import Dataset, Source
from partflow.declarations.graph import Graph
from partflow.errors import PublishError, ReadError
from partflow.formats.fingerprint import type_text
from partflow.formats.known import table_of
from partflow.formats.schemas import Clash, instances, united_by_rows
from partflow.metastore.protocol import Metastore
from partflow.planning.upstream import horizon_of
from partflow.store.protocol import Store, files_of
from partflow.warehouse.catalog import Access, digest_of_file, digest_of_view, write_catalog
from partflow.warehouse.catalognote import CatalogNote
from partflow.warehouse.shapes import (
    CATALOG,
    Closely,
    Looker,
    Part,
    Shape,
    digest_shown,
    has_catalog,
    keys_there,
)
from partflow.warehouse.viewsql import SAME_IN_SQL, View, known_as

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Views:
    """The views of one warehouse at `now`, in epoch seconds."""

    graph: Graph
    store: Store
    metastore: Metastore
    now: int

    def named_in(self, sql: str) -> list[View]:
        """The views that a query names; all, if it names none.

        For files of tasks the record is trusted: `looked` gives views that do not trust it.
        """
        tables = _tables(self.graph)
        named = [d for d in tables if re.search(rf"\b{d.name}\b", sql, re.IGNORECASE)]
        return [self._view(dataset, Closely.RECORD) for dataset in named or tables]

    def looked(self, views: Sequence[View]) -> list[View]:
        """The same views after a look at each file: one changed by hand may have other types."""
        datasets = [self.graph.datasets[view.name] for view in views]
        return [
            view if dataset.is_source else self._view(dataset, Closely.FILES)
            for view, dataset in zip(views, datasets, strict=True)
        ]

    def keep_catalog(self) -> str | None:
        """Write the warehouse's catalog, if it is absent or its views are not the present ones.

        No catalog is written for a store whose files have to be fetched, because other programs
        cannot read those.

        By what the metastore notes of the catalog (`CatalogNote`), a run with nothing to make sees
        whether the declarations have changed; and any run sees that the file holds the present
        views, without importing DuckDB, which takes 0.1 s, and without working out views of what
        has not changed.

        Returns why the catalog could not be written, else None. It is not raised, since the run has
        made all that it had to make.
        """
        if not has_catalog(self.graph, self.store):
            return None
        path = self.store.layout.warehouse / CATALOG
        noted = CatalogNote.read(self.metastore.shown)
        present, views = self._present(noted, digest_of_file(path))
        if present.shows(noted):
            self._note(present.text)
            return None
        tables = _tables(self.graph)
        views |= {d.name: self._view(d, Closely.NAMES) for d in tables if d.name not in views}
        try:
            problems = write_catalog(self.store.layout.root, path, [views[d.name] for d in tables])
        except PublishError as error:
            return str(error)
        # A view that DuckDB refused is tried again by each run that makes something; one with a
        # file that cannot be read also by runs that make nothing: the file may have been mended.
        if any(view.unread for view in views.values()):
            self._note("")
        elif problems:
            self._note(present.declared)
        else:
            self._note(replace(present, file=digest_of_file(path)).text)
        return None

    def _present(self, noted: CatalogNote, file: str) -> tuple[CatalogNote, dict[str, View]]:
        """What a catalog is to show now, and the views that had to be worked out to know that."""
        declared, marks = digest_shown(self.graph, self.store), self._marks()
        views, digests = {}, {}
        for dataset in _tables(self.graph):
            name = dataset.name
            digest = noted.digest(name, declared, marks[name])
            if digest is None:
                views[name] = self._view(dataset, Closely.NAMES)
                digests[name] = _noted(views[name], marks[name])
            else:
                digests[name] = digest, marks[name]
        return CatalogNote(declared, file, digests), views

    def _marks(self) -> dict[str, str]:
        """For each dataset a mark of what its view is made from; "" where there is none.

        Of what a task writes it is how often the record of it has changed, when a file last came
        into its folder or left it, how far its range goes by now, and whether any file is there.
        There is none for files that others write: they may differ in what the record does not have.
        """
        _, versions = self.metastore.versions()
        marks = {}
        for dataset in _tables(self.graph):
            marks[dataset.name] = ""
            if not dataset.is_source and dataset.column is not None:
                folder = Path(self.store.layout.root, _bare(dataset, self.store).folder)
                with suppress(OSError):
                    horizon = horizon_of(self.graph, dataset.name, self.now)
                    changed = versions.get(dataset.name, 0), folder.stat().st_mtime_ns
                    there = int(self.store.has_any(dataset))
                    marks[dataset.name] = "/".join(map(str, (*changed, horizon, there)))
        return marks

    def _note(self, text: str) -> None:
        if self.metastore.shown != text:
            self.metastore.note_shown(text)

    def access(self) -> Access:
        """What a query may read: the files of all datasets, and none of partflow's own."""
        folders, files = set(), set()
        for dataset in self.graph.datasets.values():
            view = _bare(dataset, self.store)
            if self.store.pattern(dataset) is None:
                folders.add(str(self.store.layout.fetched_of(dataset.name)))
            elif not _is_open(dataset, self.store):
                folder = (
                    view.folder if view.column is not None else str(Path(view.at("all")).parent)
                )
                folders.add(folder)
            elif dataset.column is None and not dataset.has_several_files:
                files.add(view.at("all"))
            else:
                whole = {dataset.grain.key(0)} if dataset.column is None else set()
                keys = whole or keys_there(self.store, dataset)
                files |= (
                    set(self.store.read(dataset, sorted(keys)).places)
                    if dataset.has_several_files
                    else {view.at(key) for key in keys}
                )
        return Access(tuple(sorted(folders)), tuple(sorted(files)))

    def _view(self, dataset: Dataset, closely: Closely) -> View:
        bare = replace(_bare(dataset, self.store), has_files=self.store.has_any(dataset))
        if not bare.has_files:
            return bare
        path = Path(self.store.layout.root.resolve(), bare.folder_path)
        bare = replace(bare, is_hive=not _has_named_folders(path, dataset.column))
        looker = Looker(self.graph, self.store, self.metastore, self.now)
        shape = looker.shape(dataset, closely)
        if shape.parts:
            shape = _listed(shape, dataset, self.store)
            fetched = replace(bare, files=_fetched(shape, dataset, self.store))
            return _shaped(fetched, dataset, shape, self.store)
        if not shape.unread:
            return replace(bare, has_files=False)
        unread = _problems(shape)
        (key, problem), *_ = unread
        return replace(bare, unread=unread, problem=f"{dataset.name}@{key} {problem}")


def _listed(shape: Shape, dataset: Dataset, store: Store) -> Shape:
    """The shape with the keys of all files, if no pattern matches just these files.

    That is so if files have to be fetched, or if a pattern would also be tried on other files.
    """
    if store.pattern(dataset) is not None and not _is_open(dataset, store):
        return shape
    if dataset.column is None or dataset.has_several_files:
        return shape
    keys = tuple(sorted(keys_there(store, dataset)))
    parts = [replace(p, keys=p.keys or keys) for p in shape.parts]
    return replace(shape, parts=tuple(parts))


def _fetched(shape: Shape, dataset: Dataset, store: Store) -> dict[str, str]:
    """The paths of fetched files by key; {} if files are read in place."""
    if store.pattern(dataset) is not None:
        return {}
    if dataset.column is None:
        keys = [dataset.grain.key(0)]
    else:
        keys = [key for part in shape.parts for key in part.keys]
    return dict(zip(keys, store.read(dataset, keys).places, strict=True))


def _shaped(bare: View, dataset: Dataset, shape: Shape, store: Store) -> View:
    """The view of files of these shapes; if they clash, its `turned` gives other types."""
    bare = replace(bare, unread=_problems(shape))
    view, clashes = _view_of(bare, dataset, shape.parts, store)
    if not clashes:
        return view

    def turned(keys: Sequence[str]) -> View:
        parts = sorted(shape.parts, key=lambda part: _last_of(keys, part))
        other, _ = _view_of(bare, dataset, parts, store)
        schema = {column: (other.schema or {})[column] for column in view.schema or {}}
        return replace(other, schema=schema)

    return replace(view, turned=turned)


def _problems(shape: Shape) -> tuple[tuple[str, str], ...]:
    """Sentences about the files that cannot be read, by key."""
    return tuple(
        (key, f"cannot be read: {u.file}: {u.reason}; {u.advice}") for key, u in shape.unread
    )


def _last_of(keys: Sequence[str], part: Part) -> int:
    """The position in `keys`, from 1, of the last key that a part has; 0 if it has none."""
    return max((place for place, key in enumerate(keys, 1) if key in part.keys), default=0)


def _view_of(
    bare: View, dataset: Dataset, parts: Sequence[Part], store: Store
) -> tuple[View, list[Clash]]:
    """The view with the types of the last part, and its clashes with other parts."""
    if dataset.schema is not None:
        schema = instances(dataset.schema)
        again = "have it delivered again" if dataset.is_source else "make it again"
        view = replace(
            bare, parts=tuple(parts), is_complete=dataset.is_source,
            advice=f"{again}, or change the schema",
        )  # fmt: skip
        return _named(view, dataset, schema), []
    exact, by_key = dataset.stored_as.is_text, _by_first(parts)
    schema, clashes = united_by_rows(
        [(key, part.schema) for key, part in by_key.items()],
        lambda key: any(_rows(dataset, store, k) for k in by_key[key].keys),
        exact=exact,
    )
    origins = {c: f"{dataset.name}@{_origin(by_key, c, kind)}" for c, kind in schema.items()}
    view = replace(
        bare, parts=tuple(parts), exact=exact, is_complete=exact, origins=origins,
        advice=_advice(dataset),
    )  # fmt: skip
    return _named(view, dataset, schema), clashes


def _named(view: View, dataset: Dataset, schema: Mapping[str, pl.DataType]) -> View:
    """The view with these columns, or with the problem that they are."""
    in_file = dataset.is_source and dataset.column in schema
    held = [pair for part in view.parts for pair in part.schema.items() if pair[0] in schema]
    problem = _problem(dataset, schema, in_file=in_file) or _of_objects(
        dataset, [*schema.items(), *held]
    )
    return replace(view, schema=schema, column_in_file=in_file, problem=problem)


def _rows(dataset: Dataset, store: Store, key: str) -> int:
    """The number of rows of a partition; 1 if its file cannot be read."""
    try:
        return sum(table_of(dataset).rows(path) for path in files_of(store, dataset, key))
    except (ReadError, OSError):
        return 1


def _by_first(parts: Sequence[Part]) -> dict[str, Part]:
    """The parts by their first key, or by a file of it where an earlier part has that key, too."""
    by_key: dict[str, Part] = {}
    for part in parts:
        key = _first_key(part)
        by_key[f"{key}/{Path(part.files[0]).name}" if key in by_key else key] = part
    return by_key


def _first_key(part: Part) -> str:
    return part.keys[0] if part.keys else "all"


def _origin(parts: Mapping[str, Part], column: str, kind: pl.DataType) -> str:
    """The key of the last part whose column has this type; else of the last that has it.

    Parts in which the column has only nulls are asked last.
    """
    has = {k: p.schema[column] for k, p in parts.items() if column in p.schema}
    within = [k for k, own in has.items() if type_text(own) != "Null"] or [*has]
    return next((k for k in reversed(within) if type_text(has[k]) == type_text(kind)), within[-1])


def _advice(dataset: Dataset) -> str:
    if dataset.is_source:
        return "ask for them apart, or declare a schema for files that vary"
    return (
        f"ask for them apart, or make one of them again (partflow backfill {dataset.name} -p KEY)"
    )


def _problem(dataset: Dataset, schema: Mapping[str, pl.DataType], *, in_file: bool) -> str | None:
    """Why a view cannot have these columns; None if it can.

    SQL needs names, and does not tell names apart that differ only by case.
    """
    seen: dict[str, str] = {}
    if dataset.column is not None and not in_file:
        seen[known_as(dataset.stored_as.name, dataset.column)] = dataset.column
    if not schema and (dataset.column is None or dataset.stored_as.is_text):
        return f"{dataset.name} has no column that is known, and so it is no table of SQL"
    for column in schema:
        if not column:
            return (
                f"{dataset.name} has a column without a name, which SQL does not have: name it "
                "where it is written, or read it with Project.read"
            )
        other = seen.setdefault(known_as(dataset.stored_as.name, column), column)
        if other != column or (column == dataset.column and not in_file):
            whose = " (its partition column)" if other == dataset.column else ""
            return f"{dataset.name} has the columns {other!r}{whose} and {column!r}, {SAME_IN_SQL}"
    return None


def _of_objects(dataset: Dataset, columns: Iterable[tuple[str, pl.DataType]]) -> str | None:
    """Why a view cannot have one of these columns, whose objects SQL has no type for; else None."""
    for column, kind in columns:
        if odd := _odd_objects(kind):
            return (
                f"{dataset.name} has column {column!r} with objects that have {odd}, which SQL "
                "does not have: declare a schema that leaves it out, or read it with Project.read"
            )
    return None


def _odd_objects(kind: Any) -> str | None:
    """What the objects in a type have that SQL's types have not; None if nothing."""
    inner = kind.fields if hasattr(kind, "fields") else None
    if inner is None:
        within = [getattr(kind, name) for name in ("inner", "key", "value") if hasattr(kind, name)]
        return next(filter(None, map(_odd_objects, within)), None)
    names = [field.name for field in inner]
    if not names:
        return "no fields"
    if "" in names:
        return "a field without a name"
    if len({name.lower() for name in names}) < len(names):
        return "fields that differ only by case"
    return next(filter(None, (_odd_objects(field.dtype) for field in inner)), None)


def _noted(view: View, mark: str) -> tuple[str, str]:
    """What is noted of a view: its digest, and the mark unless the view names single files.

    Such a file may be away without a trace in what the mark is of.
    """
    is_of_all = not any(part.keys for part in view.parts)
    return digest_of_view(view), mark if is_of_all else ""


def unlooked(graph: Graph, store: Store) -> list[View]:
    """The view of every dataset of tables, without a look at its files."""
    return [_bare(dataset, store) for dataset in _tables(graph)]


def _tables(graph: Graph) -> list[Dataset]:
    return [d for _, d in sorted(graph.datasets.items()) if d.stored_as.is_table]


def _bare(dataset: Dataset, store: Store) -> View:
    """The view of a dataset, from its declaration alone."""
    schema = None if dataset.schema is None else instances(dataset.schema)
    return View(
        name=dataset.name,
        path=_template(dataset, store),
        paths=store.layout.paths_of(dataset) if isinstance(dataset, Source) else None,
        format=cast("Literal['parquet', 'csv', 'ndjson']", dataset.stored_as.name),
        key_template=dataset.grain.template,
        column=dataset.column,
        has_files=False,
        schema=schema,
        column_in_file=dataset.is_source and dataset.column in (schema or {}),
        zone=None if dataset.column is None else dataset.grain.tz,
    )


def _has_named_folders(path: Path, column: str | None) -> bool:
    """Whether a folder is called `name=value`, other than that of the partition column."""
    return any("=" in part and part != f"{column}={{key}}" for part in path.parts[:-1])


def _template(dataset: Dataset, store: Store) -> str:
    """The path of a dataset's files, with `{key}`; paths of fetched files end in the same way."""
    if isinstance(dataset, Source):
        return dataset.path
    place = store.layout.near(store.layout.path(dataset, "{key}"))
    return store.pattern(dataset) or place.as_posix()


def _is_open(dataset: Dataset, store: Store) -> bool:
    """Whether a source's folder has the project or partflow's own folder in it."""
    if not isinstance(dataset, Source):
        return False
    folder = Path(os.path.normpath(store.layout.root / store.layout.paths_of(dataset).folder))
    return any(own.is_relative_to(folder) for own in (store.layout.private, store.layout.root))
