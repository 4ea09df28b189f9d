"""Reports what is to be known of sources and need not be a fault.

How their files differ from one another, and from their schemas; and of those without files when
they were asked, and about what in vain. Knows nothing of how that is found.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from partflow.partitions.keytexts import shown_key
from partflow.planning.asking import failing_to_answer
from partflow.report.text import count, moment

if TYPE_CHECKING:
    from partflow.declarations.graph import Graph
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
class UnansweredReport:
    """A source that could not be asked about `count` partitions, the first of which is `key`."""

    source: str
    key: str
    count: int
    problem: str


@dataclass(frozen=True, slots=True)
class AskedReport:
    """When was asked last about what may still change of a source, a moment in UTC."""

    source: str
    at: str


@dataclass(frozen=True, slots=True)
class Remarks:
    """How the files of sources differ, and how the asking of others went; need not be a fault."""

    varied: tuple[VariedReport, ...]
    left_out: tuple[LeftOut, ...]
    unanswered: tuple[UnansweredReport, ...]
    asked: tuple[AskedReport, ...]


def remarks_of(graph: Graph, snapshot: Snapshot) -> Remarks:
    """The remarks on the sources that a snapshot has looked at."""
    varied = (VariedReport(v.source, v.column, v.keys, v.kinds, v.schema) for v in snapshot.varied)
    unanswered = [
        UnansweredReport(name, keys[0][0], len(keys), keys[0][1].failure)
        for name, book in snapshot.asked.items()
        if (keys := list(failing_to_answer(graph.datasets[name].grain, book)))
    ]
    asked = [
        AskedReport(name, moment(book.newest))
        for name, book in snapshot.asked.items()
        if book.newest is not None and book.newest != snapshot.now
    ]
    return Remarks(tuple(varied), tuple(snapshot.left_out), tuple(unanswered), tuple(asked))


def remark_lines(remarks: Remarks) -> list[str]:
    """A line for each column whose type differs, and for each other remark on a source."""
    return [
        *(f"warning: {_of_types(each)}" for each in remarks.varied),
        *(f"note: {_of_columns(each)}" for each in remarks.left_out),
        *(f"warning: {_of_failure(each)}" for each in remarks.unanswered),
        *(f"note: {a.source} was asked last at {a.at}; runs ask it again" for a in remarks.asked),
    ]


def _of_failure(unanswered: UnansweredReport) -> str:
    others = unanswered.count - 1
    more = f" and {count(others, 'other partition')}" if others else ""
    about = f"{unanswered.source} could not be asked about {shown_key(unanswered.key)}{more}"
    return f"{about}: {unanswered.problem}; what it answered before stays"


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
