"""Makes Parquet files whose footers say what is not so."""

from __future__ import annotations

import struct
from pathlib import Path

import polars as pl

_ROWS = 123_457
"""So many rows a file has before it lies: a number that stands nowhere else in its footer."""
OF_FILE, OF_COLUMN, OF_GROUP = 0, 1, 2
"""Where the number of rows stands in a footer, in that order."""


def write_liar(path: Path, says: int, *where: int) -> None:
    """A file of 123,457 rows that says in these places, or in all, that it has others."""
    frame = pl.DataFrame({"qty": range(_ROWS)}, schema={"qty": pl.Int64})
    frame.write_parquet(path, compression="uncompressed", row_group_size=_ROWS, statistics=False)
    data = path.read_bytes()
    length = struct.unpack("<I", data[-8:-4])[0]
    first, *rest = data[-8 - length : -8].split(_varint(_ROWS))
    assert len(rest) == 3
    footer = first
    for number, part in enumerate(rest):
        footer += _varint(says if number in where or not where else _ROWS) + part
    end = struct.pack("<I", len(footer)) + b"PAR1"
    path.write_bytes(data[: -8 - length] + footer + end)


def _varint(number: int) -> bytes:
    """A whole number as Thrift's compact protocol writes it."""
    rest, found = number << 1, bytearray()
    while rest > 127:
        found.append(rest & 127 | 128)
        rest >>= 7
    return bytes(found + bytes([rest]))
