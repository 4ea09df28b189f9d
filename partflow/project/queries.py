"""Answers SELECTs over a project's datasets.

Plans nothing and makes nothing: it shows what is there, by the record and the files.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from partflow.errors import UsageError
from partflow.metastore.protocol import Metastore
from partflow.warehouse.catalog import query, zones_differ
from partflow.warehouse.views import Views, unlooked

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from partflow.project.project import Project
    from partflow.warehouse.viewsql import View


TRIES = 3
"""How often a query is asked that fails while partitions are replaced."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a warehouse has come: what is recorded, and what is about to be put in place."""

    incarnation: str
    versions: tuple[tuple[str, int], ...]
    intents: tuple[tuple[str, str, int], ...]

    def may_have_moved(self, since: Progress) -> bool:
        """Whether a partition may have been replaced since the earlier look."""
        return self != since or bool(self.intents)


def asked_again(
    attempt: Callable[[], None], progress: Callable[[], Progress], may_repeat: Callable[[], bool]
) -> None:
    """Try again what fails while partitions are replaced, at most `TRIES` times in all.

    DuckDB opens a file twice by its path, for its footer and for its rows. If the file is replaced
    in between, DuckDB says that it is invalid.

    Raises:
        UsageError: the attempt raised it and no partition moved, or it must not be repeated.
    """
    for tries_left in reversed(range(TRIES)):
        before = progress()
        try:
            attempt()
        except UsageError as error:
            if not progress().may_have_moved(before):
                raise
            if tries_left and may_repeat():
                continue
            raise UsageError(
                f"{error}; partitions were replaced while it was read, so ask again"
            ) from None
        else:
            return


@dataclass(frozen=True, slots=True)
class Queries:
    """Queries of one project: every dataset and source is a table."""

    project: Project

    def zones_differ(self, text: str) -> str | None:
        """That a query's moments are shown in UTC, and why; None if its datasets have one zone."""
        return zones_differ(unlooked(self.project.graph, self.project.store), text)

    def ask(self, text: str, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyRelation:
        """The answer, on a connection of `catalog.connect`; UsageError if it can't be given."""
        root = self.project.root
        with self._recorded() as metastore, ThreadPoolExecutor(1) as pool:
            views = views_of(self.project, metastore)
            named, access = views.named_in(text), views.access()
            # While DuckDB opens what is recorded the files are looked at: neither needs the other.
            looking = pool.submit(views.looked, named)
            try:
                answer = query(root, named, text, access, connection)
            except UsageError as missed:
                self._require_tables(missed)
                if looking.result() == named:
                    raise
            else:
                if looking.result() == named:
                    return answer
            return query(root, looking.result(), text, access, connection)

    def progress(self) -> Progress:
        """How far the warehouse has come."""
        with self._recorded() as metastore:
            incarnation, versions = metastore.versions()
            intents = tuple((i.node, i.key, i.epoch) for i in metastore.intents())
            return Progress(incarnation, tuple(sorted(versions.items())), intents)

    def read(self, name: str, start: str | None, end: str | None) -> pl.LazyFrame:
        """The rows of a dataset's partitions that are there and overlap `[start, end)`.

        Raises:
            UsageError: there is no such dataset, it is no table, or nothing of it is there.
            ReadError: a file of these partitions cannot be read.
        """
        from partflow.operations.read import read_dataset
        from partflow.planning.selection import Asked
        from partflow.warehouse.shapes import Looker

        project, asked = self.project, Asked((name,), start=start, end=end)
        with self._recorded() as metastore:
            now = project.clock() // 1_000_000_000
            return read_dataset(Looker(project.graph, project.store, metastore, now), asked)

    def views(self, text: str) -> list[View]:
        """Every table that a query may mean as a view for DuckDB."""
        with self._recorded() as metastore:
            return views_of(self.project, metastore).named_in(text)

    def _require_tables(self, missed: UsageError) -> None:
        from partflow.operations.read import require_tables

        require_tables(self.project.graph, missed)

    def _recorded(self) -> AbstractContextManager[Metastore]:
        """The metastore, to save looking at files; where it can't be read they are looked at."""
        return self.project.history.metastore.looked_at(or_nothing=True)


def views_of(project: Project, metastore: Metastore) -> Views:
    """The views of what is there now."""
    return Views(project.graph, project.store, metastore, project.clock() // 1_000_000_000)
