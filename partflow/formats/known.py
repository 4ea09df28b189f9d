"""partflow's own formats by name, and the format of a dataset.

Of datasets it knows only what a format must know of their declaration.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Protocol, cast

from partflow.formats.answer import AnswerText
from partflow.formats.anyfile import AnyFile
from partflow.formats.format import ProjectFormat
from partflow.formats.jsondocument import Json
from partflow.formats.parquet import Parquet
from partflow.formats.skops import Skops
from partflow.formats.text import Csv, Ndjson

if TYPE_CHECKING:
    import polars as pl

    from partflow.declarations.storedas import StoredAs
    from partflow.formats.format import FileFormat, Format

    Schema = Mapping[str, pl.DataType]

AS_FILE = -1
"""Stands in place of the number of rules: the file was unreadable, and counts by its bytes."""

Table = Parquet | Csv | Ndjson
"""A format of frames."""


class Declared(Protocol):
    """What a format needs to know of a dataset's declaration: a Dataset or Source has all of it."""

    @property
    def stored_as(self) -> StoredAs:
        """The format of its files."""

    @property
    def schema(self) -> Any:
        """The declared columns, or None."""

    @property
    def sort_by(self) -> Any:
        """The columns that order the rows, if they do."""

    @property
    def is_source(self) -> bool:
        """Whether others write it."""

    @property
    def trusted(self) -> tuple[str, ...]:
        """The types that a skops file may hold."""


def format_of(dataset: Declared) -> FileFormat:
    """The format in which a dataset's files are kept, with what it declares."""
    return table_of(dataset) if dataset.stored_as.is_table else object_format_of(dataset)


def object_format_of(dataset: Declared) -> Skops | ProjectFormat | AnyFile | AnswerText | Json:
    """The format of a dataset that is no table."""
    kept = dataset.stored_as
    if kept.brought is None and dataset.is_source:
        if kept.name == AnswerText.name:
            return AnswerText()
        return AnyFile() if kept.is_path else Json()
    return written_format_of(dataset)


def written_format_of(dataset: Declared) -> Skops | ProjectFormat:
    """The format in which a task's dataset that is no table is written."""
    kept = dataset.stored_as
    if kept.brought is None:
        return Skops(dataset.trusted)
    return ProjectFormat(kept.name, cast("Format", kept.brought))


def table_of(dataset: Declared) -> Table:
    """The format of a dataset that is a table."""
    return table_named(
        dataset.stored_as.name,
        dataset.schema,
        ordered=bool(dataset.sort_by),
        own=not dataset.is_source,
    )


def table_named(
    name: str, schema: Schema | None = None, *, ordered: bool = False, own: bool = False
) -> Table:
    """The format of tables of that name that partflow brings; KeyError if there is none."""
    match name:
        case "parquet":
            return Parquet(ordered, schema, own)
        case "csv":
            return Csv(schema, ordered=ordered)
        case "ndjson":
            return Ndjson(schema, ordered=ordered)
        case _:
            raise KeyError(name)


@functools.lru_cache(maxsize=4096)
def way_of(dataset: Declared) -> Hashable:
    """A value for all that decides what reading one of a dataset's files gives.

    Two datasets with equal values read the same from one file: `HandOver` relies on it.
    """
    form: Any = format_of(dataset)
    return (form.name, *(_hashable(getattr(form, each.name)) for each in fields(form)))


def _hashable(value: Hashable) -> Hashable:
    return tuple(value.items()) if isinstance(value, Mapping) else value
