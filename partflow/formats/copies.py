"""Copies frames into memory that nothing else refers to.

Knows nothing of who owns a frame. Polars and Arrow share memory wherever they can: with numpy
arrays, with Arrow buffers, with the frame that another one was cut from. `clone`, `rechunk` and
`slice` share all of it, and even `gather` shares the bytes of texts.
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
"""How many times larger an Arrow buffer may be than what the frame uses of it."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A frame as bytes, and a frame that may share their memory.

    Nobody may write into the memory of `frame`: a reader gets a `copy`.
    """

    frame: pl.DataFrame
    data: bytes | pa.Buffer

    @property
    def nbytes(self) -> int:
        """How many bytes of memory it takes."""
        if isinstance(self.data, bytes):
            return len(self.data) + int(self.frame.estimated_size())
        return int(self.data.size)

    def copy(self) -> pl.DataFrame:
        """A new frame in memory of its own."""
        if isinstance(self.data, bytes):
            return _frame_in(self.data)
        import numpy as np
        import pyarrow as pa

        # Arrow's pool gives memory again that was freed before; that of the system has to be
        # cleared by it each time, which takes six times as long as to copy.
        own = pa.allocate_buffer(self.data.size)
        np.copyto(np.frombuffer(own, np.uint8), np.frombuffer(self.data, np.uint8))
        return _frame_in(own)


def pack(frame: pl.DataFrame) -> Packed | None:
    """Copy a frame; None if it can be neither copied nor stored, because it has Python objects.

    A few rows take 50 microseconds; many take a tenth of the time of encoding them as Parquet.
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
    """The frame in packed bytes; if they are an Arrow buffer, it shares their memory."""
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
    """The frame as Parquet, for rare types that Arrow streams cannot hold, as arrays of width 0."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="uncompressed")
    return buffer.getvalue()


def _arrow_of(frame: pl.DataFrame) -> pa.Buffer | None:
    """The frame as an Arrow stream; None if that would copy much memory that is not the frame's.

    If a frame is a few rows of a large one, its texts carry those of all the other rows along.
    Arrow's older layout leaves them out, but takes four times as long; polars' own writer and
    reader take seven times as long. The stream is counted first, so that no buffer has to grow.
    """
    import polars as pl
    import pyarrow as pa

    most = _WASTE * max(_SMALL, frame.estimated_size())
    for level in (pl.CompatLevel.newest(), pl.CompatLevel.oldest()):
        table = frame.to_arrow(compat_level=level)
        if table.get_total_buffer_size() <= most:
            counted = pa.MockOutputStream()
            _stream_into(counted, table)
            packed = pa.allocate_buffer(counted.size())
            with pa.FixedSizeBufferWriter(packed) as sink:
                _stream_into(sink, table)
            return packed
    return None


def _stream_into(sink: pa.NativeFile, table: pa.Table) -> None:
    import pyarrow as pa

    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def _refusals() -> tuple[type[BaseException], ...]:
    import polars as pl
    import pyarrow as pa

    return (pl.exceptions.PolarsError, pl.exceptions.PanicException, pa.ArrowException)
