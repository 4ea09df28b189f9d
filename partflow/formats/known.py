"""partflow's own formats by name, and the format of a dataset.

Knows nothing of datasets but what a format must know of their declaration.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Protocol

from partflow.formats.parquet import Parquet
from partflow.formats.skops import Skops
from partflow.formats.text import Csv, Ndjson
from partflow.formats.texttypes import RULES

if TYPE_CHECKING:
    import polars as pl

    Schema = Mapping[str, pl.DataType]


def format_named(
    name: str, schema: Schema | None = None, *, ordered: bool = False, own: bool = False
) -> Parquet | Csv | Ndjson | Skops:
    """The format of that name; `KeyError` if there is none."""
    match name:
        case "parquet":
            return Parquet(ordered, schema, own)
        case "csv":
            return Csv(schema)
        case "ndjson":
            return Ndjson(schema)
        case "skops":
            return Skops()
        case _:
            raise KeyError(name)


class Declared(Protocol):
    """What a format needs to know of a dataset's declaration."""

    @property
    def format(self) -> str:
        """The format's name."""

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


def format_of(dataset: Declared) -> Parquet | Csv | Ndjson | Skops:
    """The format in which a dataset's files are kept, with what it declares."""
    if dataset.format == "skops":
        return Skops(dataset.trusted)
    return format_named(
        dataset.format, dataset.schema, ordered=bool(dataset.sort_by), own=not dataset.is_source
    )


@functools.lru_cache(maxsize=4096)
def way_of(dataset: Declared) -> Hashable:
    """All that decides what reading one of a dataset's files gives.

    Two datasets with the same way read the same from one file: see `HandOver`.
    """
    form = format_of(dataset)
    return (form.name, *(_hashable(getattr(form, each.name)) for each in fields(form)))


def _hashable(value: Hashable) -> Hashable:
    return tuple(value.items()) if isinstance(value, Mapping) else value


AS_FILE = -1
"""In the place of the number of rules: a file that could not be read was taken as it is."""


def rules_of(dataset: Declared) -> int:
    """The number of the rules by which a dataset's files are typed and checked; 0 if they are not.

    What was read by older ones may have come to other values.
    """
    return RULES if dataset.format in {"csv", "ndjson"} else 0
