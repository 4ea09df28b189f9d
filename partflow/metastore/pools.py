"""Places in pools: the right to have a call under way, over all runs of a warehouse.

Knows nothing of calls, nor of how a place is held: `Pools` is the seam for that. Places only hold
calls up; nothing that is recorded rests on them.
"""

from __future__ import annotations

import hashlib
from typing import Protocol
from urllib.parse import quote

PLACE = ".place"
"""The ending of the names of files that stand for places."""

_LONGEST = 100


class Pools(Protocol):
    """The places that one run has in pools. What a dead run had is free at once.

    Of the runs that want a place in a full pool at most one is next in line: it gets the next one.
    """

    def take(self, pool: str) -> bool:
        """Have one more place in a pool; False if none is free, or if another run is next in line.

        If none is free and nobody is next in line, this run is, until it has one or gives up.
        """
        ...

    def give_back(self, pool: str, places: int) -> None:
        """Have so many places less in a pool."""
        ...

    def give_up(self, pool: str) -> None:
        """Be next in line for a pool no more."""
        ...

    def close(self) -> None:
        """Give back all places, and be next in line for none."""
        ...


class Boundless:
    """Pools of which every run has as many places as it wants."""

    def take(self, pool: str) -> bool:  # noqa: ARG002 - of the protocol
        """There is always a place."""
        return True

    def give_back(self, pool: str, places: int) -> None:
        """Nothing."""

    def give_up(self, pool: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def file_name(pool: str) -> str:
    """A pool's name as the beginning of a file's, or a digest of it if that would be too long."""
    text = quote(pool, safe="")
    if len(text) > _LONGEST:
        return hashlib.blake2b(pool.encode(), digest_size=16).hexdigest()
    return text
