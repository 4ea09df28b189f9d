"""Vets a Parquet file that nobody has read yet: whether it has the rows that it says it has.

Knows nothing of datasets. Readers make room for all rows that a footer declares, and one that lies
takes the process with it: so what is far too much for the file is counted first, a piece at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partflow.content import bytes_or_path, unreadable
from partflow.errors import ReadError

if TYPE_CHECKING:
    from pathlib import Path

_HARMLESS = 2**24
"""So many cells a reader may make room for in vain."""
_DENSE = 8
"""Cells in a byte: more are packed there only where a column hardly changes."""
_ROWS_AT_ONCE = 2**16


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
