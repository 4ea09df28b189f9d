"""Refuses NDJSON in which an object has a key twice, because readers differ in which value counts.

Knows nothing of datasets. polars takes the first value, but infers types from both; most others
take the last. Python can see every key, but takes three times as long as polars takes to read the
file. So large files are read by DuckDB first, which refuses such a line in a third of that time.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from partflow.errors import ReadError
from partflow.formats.connections import opened, quoted, quoted_name
from partflow.formats.packed import opened_unpacked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import polars as pl

    Schema = Mapping[str, pl.DataType]

_SMALL = 2**18
"""Files of up to this many bytes are checked by Python before DuckDB could begin."""
_ADVICE = "have it delivered with each key once in an object"
_Pairs = tuple[tuple[str, Any], ...]


def require_keys_once(path: Path, schema: Schema) -> None:
    """Raise ReadError for the first line with a key twice, of those that the schema has.

    Requires: the file was read, so each line is a JSON object or blank.
    """
    if path.stat().st_size > _SMALL and _is_read_by_duckdb(path, schema):
        return
    with opened_unpacked(path) as file:
        for number, line in enumerate(file, 1):
            try:
                pairs = json.loads(line, object_pairs_hook=tuple) if line.strip() else ()
            except (ValueError, RecursionError):  # polars reads it, and Python does not.
                continue
            key = _twice_in_object(pairs, schema)
            if key is not None:
                raise ReadError(str(path), f"line {number:,} has the key {key!r} twice", _ADVICE)


def _twice_in_object(pairs: _Pairs, fields: Mapping[str, Any]) -> str | None:
    """The first field that occurs twice in an object, or in an object within it; else None."""
    known = [(key, value) for key, value in pairs if key in fields]
    for key, number in Counter(key for key, _ in known).items():
        if number > 1:
            return key
    within = (_twice(value, fields[key]) for key, value in known)
    return next((key for key in within if key is not None), None)


def _twice(value: Any, kind: Any) -> str | None:
    import polars as pl

    match kind:
        case pl.Struct() if isinstance(value, tuple):
            return _twice_in_object(value, {f.name: f.dtype for f in kind.fields})
        case pl.List() | pl.Array() if isinstance(value, list):
            within = (_twice(each, kind.inner) for each in value)
            return next((key for key in within if key is not None), None)
        case _:
            return None


def _is_read_by_duckdb(path: Path, schema: Schema) -> bool:
    """Whether DuckDB reads all values of the columns without an error."""
    import duckdb

    if not schema or any(letter in str(path) for letter in "*?["):
        return False
    columns = ", ".join(f"{quoted(name)}: {quoted(_shape(k))}" for name, k in schema.items())
    source = (
        f"read_json({quoted(str(path))}, format = 'newline_delimited', columns = {{{columns}}})"
    )
    counts = ", ".join(f"count({quoted_name(name)})" for name in schema)
    connection = opened()
    try:
        connection.execute(f"select {counts} from {source}").fetchall()  # noqa: S608 - all is quoted
    except duckdb.Error:
        return False
    finally:
        connection.close()
    return True


def _shape(kind: Any) -> str:
    """DuckDB's type with the objects and lists of a polars type; all other values are JSON."""
    import polars as pl

    match kind:
        case pl.Struct():
            fields = (f"{quoted_name(f.name)} {_shape(f.dtype)}" for f in kind.fields)
            return f"STRUCT({', '.join(fields)})" if kind.fields else "JSON"
        case pl.List() | pl.Array():
            return f"{_shape(kind.inner)}[]"
        case _:
            return "JSON"
