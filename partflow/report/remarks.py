"""Reports how the files of sources differ from one another, and from their schemas.

Knows nothing of how that is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from partflow.partitions.keytexts import shown_key

if TYPE_CHECKING:
    from partflow.planning.snapshot import LeftOut, Snapshot

_NAMED = 5


@dataclass(frozen=True, slots=True)
class VariedReport:
    """A column of a source that has two types, in two of its partitions.

    `schema` is the declaration that reads both; None if no schema does.
    """

    source: str
    column: str
    keys: tuple[str, str]
    types: tuple[str, str]
    schema: str | None


@dataclass(frozen=True, slots=True)
class Remarks:
    """How the files of sources differ, which need not be a fault."""

    varied: tuple[VariedReport, ...]
    left_out: tuple[LeftOut, ...]


def remarks_of(snapshot: Snapshot) -> Remarks:
    """The remarks on the files that a snapshot has looked at."""
    varied = (VariedReport(v.source, v.column, v.keys, v.kinds, v.schema) for v in snapshot.varied)
    return Remarks(tuple(varied), tuple(snapshot.left_out))


def remark_lines(remarks: Remarks) -> list[str]:
    """A line for each column whose type differs, and for each source with columns left out."""
    return [
        *(f"warning: {_of_types(each)}" for each in remarks.varied),
        *(f"note: {_of_columns(each)}" for each in remarks.left_out),
    ]


def _of_types(varied: VariedReport) -> str:
    column, schema = varied.column, varied.schema
    (first, second), (kind, other_kind) = map(shown_key, varied.keys), varied.types
    told = f"{varied.source}: column {column!r} is {kind} in {first} and {other_kind} in {second}"
    if schema is None:
        return f"{told}; no schema reads both: read them apart, or as list[Path]"
    return f"{told}; to read them together declare {schema}"


def _of_columns(note: LeftOut) -> str:
    names = ", ".join(map(repr, note.columns[:_NAMED]))
    more = f" and {len(note.columns) - _NAMED:,} more" if len(note.columns) > _NAMED else ""
    return f"{note.source}: its schema leaves out {names}{more}, first in {shown_key(note.key)}"
