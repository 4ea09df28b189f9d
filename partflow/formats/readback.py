"""Compares a Parquet file that was just written with what was to be written.

Knows nothing of what is done if it is not that.
"""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

from partflow.errors import ReadError
from partflow.formats.unreadable import reading, unreadable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import polars as pl


def validate(path: Path, columns: Sequence[str], rows: int) -> None:
    """Opens a Parquet file again and compares its footer with what was to be written.

    Raises:
        ReadError: the footer can't be read, or says something else.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with reading(path):
        try:
            found = pq.read_metadata(pa.OSFile(str(path)))
        except ValueError as error:  # pyarrow's own errors are ValueErrors
            raise unreadable(path, error) from error
    names = found.schema.to_arrow_schema().names
    if found.num_rows != rows:
        problem = f"holds {found.num_rows:,} rows where {rows:,} were written"
    elif names != list(columns):
        problem = f"holds the columns {names} where {list(columns)} were written"
    else:
        return
    raise ReadError(str(path), problem, "the disk is not to be trusted; run it again")


def confirm(path: Path, frame: pl.DataFrame, sha256: str) -> None:
    """As `validate`, for a file that was encoded in memory: its bytes have to be those.

    What the encoder made is looked at once a schema: of the same columns it makes the same footer,
    and reading each would cost as much as the rest.

    Raises:
        ReadError: they are others, or are no Parquet of these columns.
    """
    with reading(path):
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - for each partition
            data = file.readall()
        known = hashlib.sha256(data).hexdigest() == sha256
        shape = (tuple(frame.columns), tuple(frame.dtypes))
        if known and shape not in _confirmed:
            known = _columns_of(data) == frame.columns
            _confirmed.add(shape)
    if not known:
        problem = "does not hold what was written"
        raise ReadError(str(path), problem, "the disk is not to be trusted; run it again")


_confirmed: set[tuple[tuple[str, ...], tuple[pl.DataType, ...]]] = set()


def _columns_of(data: bytes) -> list[str]:
    import polars as pl

    return list(pl.read_parquet_schema(io.BytesIO(data)))
