"""Writes the rows of a query as a table, CSV, JSON or Parquet, a batch at a time.

Knows nothing of what was asked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum, auto
from typing import IO, TYPE_CHECKING, Protocol

from partflow.report.moments import values_of
from partflow.report.text import count, json_text, padded, printable, room, shortened, width

if TYPE_CHECKING:
    import pyarrow as pa

_WIDEST, _NARROWEST = 60, 10


class Rows(Protocol):
    """The rows of a query, as they come."""

    @property
    def schema(self) -> pa.Schema:
        """The columns."""

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """A batch at a time."""


def write_answer(reader: Rows, form: str, file: IO[bytes], rows: int) -> None:
    """Write all rows in a form: table, csv, json or parquet; of a table only the first `rows`."""
    names = _unique(reader.schema.names)
    if form == "parquet":
        _write_parquet(reader, names, file)
        return
    lines = {
        "table": lambda: _table(reader, names, rows, room(file)),
        "csv": lambda: _csv(reader, names),
        "json": lambda: _json(reader, names),
    }[form]()
    seen = file.isatty()  # A table is escaped wherever it goes.
    for line in lines:
        file.write((printable(line, "\n\t") if seen else line).encode("utf-8", errors="replace"))
    file.flush()


def _unique(names: Sequence[str]) -> list[str]:
    """The names made unique by numbers, because JSON and Parquet allow none twice."""
    unique: list[str] = []
    for name in names:
        candidate, number = name, 1
        while candidate in unique:
            candidate, number = f"{name}_{number}", number + 1
        unique.append(candidate)
    return unique


def _tuples(batch: pa.RecordBatch) -> Iterator[tuple[object, ...]]:
    return zip(*map(values_of, batch.columns), strict=True)


def _write_parquet(reader: Rows, names: Sequence[str], file: IO[bytes]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([f.with_name(n) for f, n in zip(reader.schema, names, strict=True)])
    with pq.ParquetWriter(file, schema) as writer:
        for batch in reader:
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))


# --- text ----------------------------------------------------------------------------------------


def _csv(reader: Rows, names: Sequence[str]) -> Iterator[str]:
    yield ",".join(map(_csv_cell, names)) + "\n"
    for batch in reader:
        for row in _tuples(batch):
            yield ",".join(map(_csv_cell, row)) + "\n"


def _csv_cell(value: object) -> str:
    """A value as CSV; NULL is empty, and so an empty text is put in quotes."""
    if value is None:
        return ""
    text = _text(value)
    if text == "" or any(c in text for c in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _json(reader: Rows, names: Sequence[str]) -> Iterator[str]:
    yield "["
    before = "\n"
    for batch in reader:
        for row in _tuples(batch):
            document = dict(zip(names, map(_plain, row), strict=True))
            yield before + json_text(document)
            before = ",\n"
    yield "\n]\n"


def _plain(value: object) -> object:
    """A value as JSON has it; infinities and NaN, which JSON has not, become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return [_plain(v) for v in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    return _text(value)


def _text(value: object) -> str:
    """A value as text, for people and other programs."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict | list):
        return json.dumps(_plain(value), ensure_ascii=False)
    return str(value)


# --- a table -------------------------------------------------------------------------------------


def _table(reader: Rows, names: Sequence[str], rows: int, space: int | None) -> Iterator[str]:
    shown: list[tuple[object, ...]] = []
    total = 0
    for batch in reader:
        if len(shown) < rows:
            shown += _tuples(batch.slice(0, rows - len(shown)))
        total += batch.num_rows
    heads = [printable(name) for name in names]
    cells = [[_cell(value) for value in row] for row in shown]
    yield from _boxed([heads, *cells], [_Kind.of(t) for t in reader.schema.types], space)
    if total > len(shown):
        yield f"… {total - len(shown):,} more rows, --output csv gives all\n"
    else:
        yield count(total, "row") + "\n"


class _Kind(Enum):
    """How the values of a column are aligned, and whether they may be cut."""

    NUMBER = auto()
    """Aligned to the right, never cut."""
    FIXED = auto()
    """Aligned to the left, never cut, because a part says nothing: dates, moments, bools."""
    TEXT = auto()
    """Aligned to the left, and cut if there is no room."""

    @classmethod
    def of(cls, kind: pa.DataType) -> _Kind:
        """The kind of an Arrow type."""
        from pyarrow import types

        if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
            return cls.NUMBER
        return cls.FIXED if types.is_temporal(kind) or types.is_boolean(kind) else cls.TEXT


def _cell(value: object) -> str:
    """A value as one line for a table."""
    return "NULL" if value is None else printable(_text(value))


def _boxed(
    rows: Sequence[Sequence[str]], kinds: Sequence[_Kind], space: int | None
) -> Iterator[str]:
    """The rows in a box, the first as its head; at most `space` cells wide, if that is possible."""
    widths = [max(map(width, column)) for column in zip(*rows, strict=True)]
    if space is not None:
        widths = _fitted(widths, kinds, space)
    bars = ["─" * (w + 2) for w in widths]
    yield f"┌{'┬'.join(bars)}┐\n"
    for number, row in enumerate(rows):
        cells = [
            padded(shortened(cell, size), size, to_the_right=kind is _Kind.NUMBER)
            for cell, size, kind in zip(row, widths, kinds, strict=True)
        ]
        yield f"│ {' │ '.join(cells)} │\n"
        if number == 0:
            yield f"├{'┼'.join(bars)}┤\n"
    yield f"└{'┴'.join(bars)}┘\n"


def _fitted(widths: Sequence[int], kinds: Sequence[_Kind], space: int) -> list[int]:
    """The widths, with those of texts cut from the widest on until all fit into `space` cells."""
    for most in range(_WIDEST, _NARROWEST, -1):
        fitted = _cut(widths, kinds, most)
        if sum(fitted) + 3 * len(fitted) + 1 <= space:
            return fitted
    return _cut(widths, kinds, _NARROWEST)


def _cut(widths: Sequence[int], kinds: Sequence[_Kind], most: int) -> list[int]:
    return [
        min(size, most) if kind is _Kind.TEXT else size
        for size, kind in zip(widths, kinds, strict=True)
    ]
