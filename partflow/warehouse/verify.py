"""How closely a look at the warehouse reads its files."""

from __future__ import annotations

from enum import Enum


class Verify(Enum):
    """How far files are looked at: the record is trusted, their stat, or all bytes are read."""

    RECORD = "record"
    STAT = "stat"
    CONTENT = "content"
