"""Unpacks files of text that are compressed with gzip or zstd, which their first bytes tell.

Knows nothing of what the text means. A compressed file is unpacked in memory as a whole.
"""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING

from partflow.formats.fingerprint import bytes_or_path
from partflow.formats.unreadable import unreadable
from partflow.store.opening import at_once

if TYPE_CHECKING:
    from pathlib import Path

MARKS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""The first bytes of compressed files, with how they are compressed."""
_MARK = 4


def beginning_of(path: Path, size: int) -> bytes:
    """The first `size` bytes of a file as it is; OSError if it cannot be opened."""
    with open(path, "rb", opener=at_once) as file:
        return file.read(size)


def beginning_unpacked(path: Path, size: int = 2**16) -> bytes:
    """The first `size` bytes of a file, unpacked; errors as for `unpacked_or_path`."""
    with opened_unpacked(path) as file:
        return file.read(size)


def unpacked_or_path(path: Path) -> Path | bytes:
    """The bytes of a file that is small or compressed, unpacked; else its path.

    Raises:
        ReadError: it cannot be unpacked.
        OSError: it cannot be opened.
    """
    content = bytes_or_path(path)
    kind = _kind_of(content if isinstance(content, bytes) else beginning_of(path, _MARK))
    return content if kind is None else _unpacked(path, kind)


def unpacked(path: Path) -> bytes:
    """The bytes of a file, unpacked; ReadError and OSError as for `unpacked_or_path`."""
    content = unpacked_or_path(path)
    return content if isinstance(content, bytes) else content.read_bytes()


def opened_unpacked(path: Path) -> IO[bytes]:
    """A file to be read, unpacked; ReadError and OSError as for `unpacked_or_path`."""
    kind = _kind_of(beginning_of(path, _MARK))
    if kind is not None:
        return io.BytesIO(_unpacked(path, kind))
    return open(path, "rb", opener=at_once)


def _kind_of(beginning: bytes) -> str | None:
    return next((kind for mark, kind in MARKS.items() if beginning.startswith(mark)), None)


def _unpacked(path: Path, kind: str) -> bytes:
    import pyarrow as pa

    try:
        with pa.OSFile(str(path)) as file, pa.CompressedInputStream(file, kind) as stream:
            return bytes(stream.read())
    except (pa.ArrowException, OSError) as error:
        raise unreadable(path, error) from error
