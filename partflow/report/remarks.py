"""How the files of sources differ from one another, and from their schemas.

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
    """A column that is of one type in one partition of a source, and of another in the other.

    `schema` is the line to declare that reads both; None if no schema does.
    """

    source: str
    column: str
    keys: tuple[str, str]
    types: tuple[str, str]
    schema: str | None


@dataclass(frozen=True, slots=True)
class Remarks:
    """How the files of sources differ; nothing of it is wrong by itself."""

    varied: tuple[VariedReport, ...]
    left_out: tuple[LeftOut, ...]


def remarks_of(snapshot: Snapshot) -> Remarks:
    """What the files that were looked at gave reason to say."""
    varied = (VariedReport(v.source, v.column, v.keys, v.kinds, v.schema) for v in snapshot.varied)
    return Remarks(tuple(varied), tuple(snapshot.left_out))


def remark_lines(remarks: Remarks) -> list[str]:
    """A line for each column whose type differs, and for each source with columns left out."""
    return [
        *(f"warning: {_of_types(each)}" for each in remarks.varied),
        *(f"note: {_of_columns(each)}" for each in remarks.left_out),
    ]


def _of_types(one: VariedReport) -> str:
    (first, second), (kind, other) = map(shown_key, one.keys), one.types
    said = f"{one.source}: column {one.column!r} is {kind} in {first} and {other} in {second}"
    if one.schema is None:
        return f"{said}; no schema reads both: read them apart, or as list[Path]"
    return f"{said}; to read them together declare {one.schema}"


def _of_columns(one: LeftOut) -> str:
    names = ", ".join(map(repr, one.columns[:_NAMED]))
    more = f" and {len(one.columns) - _NAMED:,} more" if len(one.columns) > _NAMED else ""
    return f"{one.source}: its schema leaves out {names}{more}, first in {shown_key(one.key)}"
