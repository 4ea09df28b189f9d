"""Writes a file beside its place and moves it there, so that nobody ever sees a part of it.

Knows nothing of partitions: these are replaced under their locks (`protocol.Places.replace`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BESIDE = ".tmp"
"""How the name of a file ends that is being written beside its place."""


@contextmanager
def replaced(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A path to write to, in the same folder; what lies there at the end of the block replaces it.

    If the block raises, the old file stays and the new one goes. With `durable` the new file's
    bytes outlive a power cut before it has its name. OSError if the disk refuses that or the name.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}{BESIDE}")
    try:
        yield beside
        if durable:
            descriptor = os.open(beside, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
