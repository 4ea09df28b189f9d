"""Says how the files of sources differ from one another, and from their schemas.

Knows nothing of how that is found. Nothing of it is wrong by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from partflow.partitions.keytexts import shown_key

if TYPE_CHECKING:
    from partflow.planning.snapshot import LeftOut, Snapshot, Varied

_NAMED = 5


def remark_lines(snapshot: Snapshot) -> list[str]:
    """A line for each column whose type differs, and for each source with columns left out."""
    return [
        *(f"warning: {_of_types(each)}" for each in snapshot.varied),
        *(f"note: {_of_columns(each)}" for each in snapshot.left_out),
    ]


def remark_documents(snapshot: Snapshot) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "varied": [
            {
                "source": v.source,
                "column": v.column,
                "keys": list(v.keys),
                "types": list(v.kinds),
                "schema": v.schema,
            }
            for v in snapshot.varied
        ],
        "left_out": [
            {"source": o.source, "key": o.key, "columns": list(o.columns)}
            for o in snapshot.left_out
        ],
    }


def _of_types(one: Varied) -> str:
    (first, second), (kind, other) = map(shown_key, one.keys), one.kinds
    said = f"{one.source}: column {one.column!r} is {kind} in {first} and {other} in {second}"
    if one.schema is None:
        return f"{said}; no schema reads both: read them apart, or as list[Path]"
    return f"{said}; to read them together declare {one.schema}"


def _of_columns(one: LeftOut) -> str:
    names = ", ".join(map(repr, one.columns[:_NAMED]))
    more = f" and {len(one.columns) - _NAMED:,} more" if len(one.columns) > _NAMED else ""
    return f"{one.source}: its schema leaves out {names}{more}, first in {shown_key(one.key)}"
