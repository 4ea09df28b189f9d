"""Copies of frames: bytes that nobody else has in hand, and frames over memory of their own.

Knows nothing of whose a frame is. Polars and Arrow share memory wherever they can: with numpy
arrays, with Arrow buffers, with the frame that another was cut from. `clone`, `rechunk`, `slice`
and the like share all of it, and `gather` still shares the bytes of texts.
"""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_SMALL = 32 * 2**10
_PARQUET = b"PAR1"
_WASTE = 2
"""An Arrow buffer may be so many times larger than what a frame uses of it."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A frame as bytes, and the frame over them.

    Nobody may write into the memory of `frame`: a reader gets a `copy`.
    """

    frame: pl.DataFrame
    data: bytes | pa.Buffer

    @property
    def nbytes(self) -> int:
        """How large it is in memory."""
        if isinstance(self.data, bytes):
            return len(self.data) + int(self.frame.estimated_size())
        return int(self.data.size)

    def copy(self) -> pl.DataFrame:
        """The frame in memory that is nobody else's."""
        if isinstance(self.data, bytes):
            return _frame_in(self.data)
        import numpy as np
        import pyarrow as pa

        return _frame_in(pa.py_buffer(np.frombuffer(self.data, np.uint8).copy()))


def pack(frame: pl.DataFrame) -> Packed | None:
    """Copy a frame; None for what cannot be copied, nor stored: Python objects.

    A few rows take 50 microseconds. Many cost a tenth of encoding them as Parquet.
    """
    ways = (_arrow_of, _ipc_of, _parquet_of) if _is_large(frame) else (_ipc_of, _parquet_of)
    for packed_by in ways:
        with suppress(*_refusals()):
            data = packed_by(frame)
            packed = None if data is None else Packed(_frame_in(data), data)
            if packed is not None and packed.frame.schema == frame.schema:
                return packed
    return None


def copied(frame: pl.DataFrame) -> pl.DataFrame:
    """A frame over memory of its own; the frame itself if it can be neither copied nor stored."""
    packed = pack(frame)
    return frame if packed is None else packed.frame


def _is_large(frame: pl.DataFrame) -> bool:
    return frame.estimated_size() > _SMALL


def _frame_in(data: bytes | pa.Buffer) -> pl.DataFrame:
    """The frame in packed bytes; in an Arrow stream it shares their memory."""
    import polars as pl

    if not isinstance(data, bytes):
        import pyarrow as pa

        table = pa.ipc.open_stream(data).read_all()
        return cast("pl.DataFrame", pl.from_arrow(table, rechunk=False))
    if data.startswith(_PARQUET):
        return pl.read_parquet(data)
    return pl.read_ipc_stream(data)


def _ipc_of(frame: pl.DataFrame) -> bytes:
    import polars as pl

    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer, compat_level=pl.CompatLevel.newest())
    return buffer.getvalue()


def _parquet_of(frame: pl.DataFrame) -> bytes:
    """For the rare types of which Arrow streams know nothing, such as arrays of no width."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="uncompressed")
    return buffer.getvalue()


def _arrow_of(frame: pl.DataFrame) -> pa.Buffer | None:
    """The frame as an Arrow stream; None if that would copy much that is not of the frame.

    Texts of a few rows of many drag the others' along: the older layout of Arrow leaves them out,
    and takes four times as long. Polars' own writer and reader take seven times as long.
    """
    import polars as pl
    import pyarrow as pa

    most = _WASTE * max(_SMALL, frame.estimated_size())
    for level in (pl.CompatLevel.newest(), pl.CompatLevel.oldest()):
        table = frame.to_arrow(compat_level=level)
        if table.get_total_buffer_size() <= most:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema) as writer:
                writer.write_table(table)
            return sink.getvalue()
    return None


def _refusals() -> tuple[type[BaseException], ...]:
    import polars as pl
    import pyarrow as pa

    return (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException)
