"""Checks that a declared schema gives each column a name and a type of polars.

Knows nothing of what the types mean. It does not import polars, and goes by the names of classes:
whoever declares a type has imported it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_HOME = "polars"
_ROOT = "DataType"
_GROUP = "Type"
"""Classes of polars whose names end so stand for several types, such as `IntegerType`."""
_UNREAL = frozenset(("Object", "Unknown"))
_EXAMPLES = {
    "Array": "pl.Array(pl.Int64, 3)",
    "Enum": "pl.Enum(['open', 'closed'])",
    "List": "pl.List(pl.String)",
    "Map": "pl.Map(pl.String, pl.Int64)",
    "Struct": "pl.Struct({'x': pl.Float64})",
}


def problem_of_types(schema: Mapping[Any, Any]) -> str | None:
    """What is wrong with the names and types of all columns, as one text; None if nothing is."""
    problems = [problem for name, kind in schema.items() if (problem := _problem(name, kind))]
    return "its schema " + "; it ".join(problems) if problems else None


def _problem(name: object, kind: object) -> str | None:
    if not isinstance(name, str):
        return f"names the column {name!r}, which is no text"
    for part in _parts(kind):
        if (wrong := _wrong(part)) is not None:
            return f"gives {name!r} the type {wrong}"
    return None


def _wrong(kind: object) -> str | None:
    """A type that no column of a file can have, and why; None if a column can have it."""
    of = kind if isinstance(kind, type) else type(kind)
    lines = [each for each in of.__mro__ if each.__module__.split(".")[0] == _HOME]
    if not any(each.__name__ == _ROOT for each in lines):
        return f"{_shown(kind)}, which is no type of polars: write one such as pl.Int64"
    if of.__name__ in _UNREAL or of.__name__.endswith(_GROUP):
        return f"pl.{of.__name__}, which no file's column can have"
    if isinstance(kind, type):
        try:
            kind()
        except TypeError:
            example = _EXAMPLES.get(of.__name__)
            like = f", such as {example}" if example else ""
            return f"pl.{of.__name__}, which needs arguments{like}"
    return None


def _parts(kind: Any) -> Iterator[object]:
    """A type and, if it is nested, the types in it."""
    yield kind
    if isinstance(kind, type) or not hasattr(kind, "is_nested"):
        return
    inner = [getattr(kind, name) for name in ("inner", "key", "value") if hasattr(kind, name)]
    inner += [field.dtype for field in getattr(kind, "fields", ())]
    for each in inner:
        yield from _parts(each)


def _shown(kind: object) -> str:
    return kind.__name__ if isinstance(kind, type) else repr(kind)
