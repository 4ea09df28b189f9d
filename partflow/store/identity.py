"""Tells one state of a file from another without reading it, and says when that can be trusted.

Knows nothing of datasets, or of where files lie.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

BACKDATED_NS = 2_000_000_000
"""How far a sealed file's time of modification is set back."""
CLOCK_STEP_NS = 20_000_000
_COARSE_STEP_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """A file's stat, or another store's four numbers; equal ones are taken for equal bytes."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def unproven(cls, size: int) -> FileIdentity:
        """The identity to record if the file's own is no proof: its size alone."""
        return cls(size, 0, 0, 0)

    @property
    def is_unproven(self) -> bool:
        """Whether it has only a size."""
        return not (self.mtime_ns or self.ctime_ns or self.inode)


def identity(path: Path | str) -> FileIdentity | None:
    """The identity of a file; None if there is none. OSError if the system refuses its stat."""
    try:
        stat = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return FileIdentity(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)


def is_settled(present: FileIdentity, now_ns: int) -> bool:
    """Whether a file is older than one step of its clock, so that any edit must change its stat.

    A time that is a whole second is taken for one of a file system with steps of two seconds.
    """
    step = _COARSE_STEP_NS if present.mtime_ns % 1_000_000_000 == 0 else CLOCK_STEP_NS
    return max(present.mtime_ns, present.ctime_ns) < now_ns - step
