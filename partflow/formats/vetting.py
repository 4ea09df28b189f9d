"""Vets a file that nobody has read yet: whether it can be what it should, and has its rows.

Knows nothing of datasets. Readers make room for all rows that a footer declares, and one that lies
takes the process with it: so what is far too much for the file is counted first, a piece at a time.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from partflow.errors import ReadError
from partflow.formats.fingerprint import bytes_or_path
from partflow.formats.unreadable import REPLACE, unreadable
from partflow.store.opening import at_once

if TYPE_CHECKING:
    from pathlib import Path

_HARMLESS = 2**24
"""So many cells a reader may make room for in vain."""
_DENSE = 8
"""Cells in a byte: more are packed there only where a column hardly changes."""
_ROWS_AT_ONCE = 2**16
_HEAD = 2**16
_PARQUET = b"PAR1"
_ZEROS = bytes(64)


def require_parquet(path: Path) -> None:
    """Raise ReadError for a file that cannot be Parquet, from a few of its bytes.

    Before all of it is read: a download that was given its size first, and then broke off, has
    gigabytes that were never written. Raises OSError if it cannot be opened.
    """
    with open(path, "rb", opener=at_once) as file:
        head = file.read(len(_PARQUET))
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - len(_PARQUET)))
        if not (head == _PARQUET and file.read() == _PARQUET):
            problem = "it does not begin and end as a Parquet file does"
            raise ReadError(str(path), f"cannot be read: {problem}", REPLACE)


def require_text(path: Path) -> None:
    """The same for a file that cannot be text."""
    with open(path, "rb", opener=at_once) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        at = _unwritten(file.fileno(), file.read(_HEAD), size)
        if at is not None:
            problem = f"from its byte {at:,} on there is nothing where text should be"
            raise ReadError(str(path), f"cannot be read: {problem}", REPLACE)


def _unwritten(descriptor: int, head: bytes, size: int) -> int | None:
    """Where the first hole of a file of text begins, or a row of zero bytes in its head, if any."""
    zero = head.find(_ZEROS)
    if zero >= 0:
        return zero
    if size <= _HEAD or not hasattr(os, "SEEK_HOLE"):
        return None
    try:
        hole = os.lseek(descriptor, 0, os.SEEK_HOLE)
    except OSError:  # a file system that does not tell
        return None
    return hole if hole < size else None


def rows_in(path: Path) -> int:
    """How many rows a Parquet file has, as its footer says; ReadError if it doesn't have them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        found = bytes_or_path(path)
        opened = pa.BufferReader(found) if isinstance(found, bytes) else pa.OSFile(str(found))
        with opened as file:
            declared = pq.read_metadata(file)
            rows = int(declared.num_rows)
            groups = [declared.row_group(i) for i in range(declared.num_row_groups)]
            is_odd = rows != sum(group.num_rows for group in groups)
            cells = rows * max(1, declared.num_columns)
            if not is_odd and cells > max(_HARMLESS, _DENSE * file.size()):
                parts = pq.ParquetFile(file).iter_batches(_ROWS_AT_ONCE)
                is_odd = rows != sum(len(part) for part in parts)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if is_odd:
        problem = f"says that it has {rows:,} rows, and has others"
        raise ReadError(str(path), problem, "replace the file, or make it again")
    return rows
