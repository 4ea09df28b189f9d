"""Writes a file beside its place and then renames it, so that nobody ever sees a part of it.

Knows nothing of partitions, which are replaced under their locks (`protocol.Replacing.replace`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from partflow.store.syncing import sync_one

BESIDE = ".tmp"
"""The ending of a file's name while it is written beside its place."""


@contextmanager
def replaced(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A path beside `path` to write to; at the end of the block that file replaces `path`.

    If the block raises, the old file stays and the new one is removed. With `durable` the new file
    is synced before it is renamed. OSError if the disk refuses either.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}{BESIDE}")
    try:
        yield beside
        if durable:
            sync_one(beside)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
