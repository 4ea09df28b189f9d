"""NDJSON files as text: the types to read their columns as, and checks of their first bytes.

Knows nothing of datasets, or of what single lines hold. JSON has numbers, text, true and false,
lists and objects. A column of any other type in the schema is read as text first, also within lists
and objects.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from partflow.errors import ReadError
from partflow.formats.schemas import instances

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import polars as pl

_MARKS = (b"\xff\xfe", b"\xfe\xff")
_UTF_8 = b"\xef\xbb\xbf"
"""The mark that some writers put before UTF-8; JSON readers take it for part of the first line."""


def as_read(schema: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """For each column of a schema the type that polars is to read from JSON."""
    return {name: _as_read(kind) for name, kind in instances(schema).items()}


def _as_read(kind: pl.DataType) -> pl.DataType:
    import polars as pl

    match kind:
        case pl.Int64() | pl.UInt64() | pl.Float64() | pl.Boolean() | pl.String():
            return kind
        case pl.List() | pl.Array():  # polars panics over a list of another length.
            return pl.List(as_read({"": kind.inner})[""])  # type: ignore[dict-item]
        case pl.Struct():
            return pl.Struct(as_read({f.name: f.dtype for f in kind.fields}))  # type: ignore[misc]
        case _:
            return pl.String()


def require_utf8(path: Path, beginning: bytes) -> None:
    """Raise ReadError if the first bytes are UTF-16, hold zeros or have a byte order mark."""
    if beginning.startswith(_UTF_8):
        problem = "begins with a byte order mark (BOM), which JSON does not have"
        raise ReadError(str(path), problem, "have it delivered as UTF-8 without one")
    if beginning.startswith(_MARKS) or b"\0" in beginning[:1024]:
        problem = "is no UTF-8 text, but UTF-16 or something else that holds zeros"
        raise ReadError(str(path), problem, "have it delivered as UTF-8")


def fields_in(beginning: bytes) -> list[str]:
    """The names of all fields in the lines that are whole in the first bytes of a file."""
    names: dict[str, None] = {}
    for line in beginning.splitlines():
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            names |= dict.fromkeys(value)
    return list(names)
