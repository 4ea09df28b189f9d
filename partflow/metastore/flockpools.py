"""Places in pools as locked files: whoever holds the lock of a place's file has that place.

Knows nothing of calls. A `flock` ends with its process, so the places of a dead run are free at
once. A pool has a file for each of its places, and one for whoever is next in line.
"""

from __future__ import annotations

import fcntl
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from partflow.metastore.pools import PLACE, file_name
from partflow.store.opening import at_once, not_in_children


class FlockPools:
    """The places of one run; `folder` holds the files, and `places` is each pool's number of them.

    See `Pools`. Requires: the run holds a lease, since `gc` removes the files while no run does.
    """

    def __init__(self, folder: Path, places: Mapping[str, int]) -> None:
        self.folder = folder
        self.places = places
        self._held: dict[str, list[ExitStack]] = {}
        self._next: dict[str, ExitStack] = {}

    def take(self, pool: str) -> bool:
        """Have one more place in a pool; False if none is free, or if another run is next in line.

        OSError if a file cannot be opened.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if pool not in self._next:
            line = _locked(self._path(pool, "next"))
            if line is None:
                return False
            self._next[pool] = line
        for number in range(self.places[pool]):
            place = _locked(self._path(pool, str(number)))
            if place is not None:
                self._held.setdefault(pool, []).append(place)
                self.give_up(pool)
                return True
        return False

    def give_back(self, pool: str, places: int) -> None:
        """Have so many places less in a pool."""
        for _ in range(places):
            self._held[pool].pop().close()

    def give_up(self, pool: str) -> None:
        """Be next in line for a pool no more."""
        line = self._next.pop(pool, None)
        if line is not None:
            line.close()

    def close(self) -> None:
        """Give back all places, and be next in line for none."""
        for pool in [*self._next]:
            self.give_up(pool)
        for pool, held in self._held.items():
            self.give_back(pool, len(held))

    def _path(self, pool: str, what: str) -> Path:
        return self.folder / f"{file_name(pool)}.{what}{PLACE}"


def _locked(path: Path) -> ExitStack | None:
    """Lock a file, which is made if it is absent; None if another has it. To close it unlocks it.

    The lock is released explicitly: a process that is being forked may have the file open, too.
    """
    with ExitStack() as stack:
        file = stack.enter_context(open(path, "ab", opener=at_once))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        stack.callback(fcntl.flock, file, fcntl.LOCK_UN)
        stack.enter_context(not_in_children(file.fileno()))
        return stack.pop_all()
