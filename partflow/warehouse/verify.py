"""How closely a look at the warehouse reads its files; knows nothing of how it is done."""

from __future__ import annotations

from enum import Enum


class Verify(Enum):
    """How closely files are looked at.

    RECORD trusts the record, STAT compares each file's stat with it, CONTENT reads every byte.
    """

    RECORD = "record"
    STAT = "stat"
    CONTENT = "content"
