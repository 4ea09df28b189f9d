"""NDJSON files as text: what of a schema their reader is told, and which line is none.

Knows nothing of datasets. JSON has numbers, text, true and false, lists and objects: columns that a
schema says to be anything else are read as text first.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from partflow.errors import ReadError
from partflow.formats.schemas import instances
from partflow.store.opening import at_once

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import polars as pl

_MARKS = (b"\xff\xfe", b"\xfe\xff")


def as_read(schema: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    """The types to read the columns of a schema as."""
    import polars as pl

    own = (pl.Int64, pl.UInt64, pl.Float64, pl.Boolean, pl.String, pl.List, pl.Struct, pl.Array)
    types = instances(schema)
    return {n: kind if isinstance(kind, own) else pl.String() for n, kind in types.items()}


def require_utf8(path: Path, beginning: bytes) -> None:
    """Raise ReadError for text that is UTF-16."""
    if beginning.startswith(_MARKS) or b"\0" in beginning[:1024]:
        problem = "is no UTF-8 text, but UTF-16 or something else that holds zeros"
        raise ReadError(str(path), problem, "have it delivered as UTF-8")


def fields_in(beginning: bytes) -> list[str]:
    """The names of the fields of the whole lines in the first bytes of a file."""
    found: dict[str, None] = {}
    for line in beginning.splitlines():
        if _is_object(line):
            found |= dict.fromkeys(json.loads(line))
    return list(found)


@contextmanager
def naming_lines(path: Path) -> Iterator[None]:
    """Let what polars raises over a file that has a line of no JSON name that line."""
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        with open(path, "rb", opener=at_once) as file:
            for number, line in enumerate(file, 1):
                if line.strip() and not _is_object(line):
                    problem = f"line {number:,} is no JSON object: it may be cut off"
                    raise ReadError(str(path), problem, "have it delivered again") from None
        raise


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
