"""What tells one state of a file from another without reading it, and when that can be trusted.

Knows nothing of datasets or of where files lie.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

BACKDATED_NS = 2_000_000_000
"""So much earlier than it was written is a file's time of modification."""
CLOCK_STEP_NS = 20_000_000
_COARSE_STEP_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """What a file's stat says; equal ones are taken for the same bytes."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def unproven(cls, size: int) -> FileIdentity:
        """What is recorded of a file whose own identity is no proof: its size alone."""
        return cls(size, 0, 0, 0)

    @property
    def is_unproven(self) -> bool:
        """Whether it says nothing but a size."""
        return not (self.mtime_ns or self.ctime_ns or self.inode)


def identity(path: Path) -> FileIdentity | None:
    """What stat says of a file; None if there is none."""
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return FileIdentity(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def is_settled(found: FileIdentity, now_ns: int) -> bool:
    """Whether a file is older than its clock's step, so that a later edit must change its stat.

    A whole second stands for a file system that keeps no finer times.
    """
    step = _COARSE_STEP_NS if found.mtime_ns % 1_000_000_000 == 0 else CLOCK_STEP_NS
    return max(found.mtime_ns, found.ctime_ns) < now_ns - step
