"""Knows the identities of a run's input files: of those it looked at, and those it made since.

Knows nothing of steps. A reader gets the identities that it has to expect, because from another
file it would make a partition whose footer is wrong. If the first file is put back before the next
look, nothing else would show it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.dataset import Dataset
from partflow.planning.planner import Plan
from partflow.store.identity import FileIdentity

if TYPE_CHECKING:
    from numpy.typing import NDArray


class KnownFiles:
    """The identities of the files of one plan's datasets.

    `looked` gives those of the datasets that were looked at, by name, shape (n, 4). Its arrays are
    not changed.
    """

    def __init__(self, plan: Plan, looked: Mapping[str, NDArray[np.int64]]) -> None:
        self._plan = plan
        self._known = dict(looked)
        self._own: set[str] = set()

    def of(self, dataset: Dataset, ordinals: Sequence[int]) -> bytes | None:
        """The identities of these partitions' files, 32 bytes each; None if they are not known."""
        known = self._known.get(dataset.name)
        if known is None or not ordinals:
            return None
        rows: NDArray[np.int64] = known[np.array(ordinals) - self._lo(dataset.name)]
        return rows.tobytes()

    def put(self, name: str, ordinal: int, identity: FileIdentity) -> None:
        """Take in the identity of a file that was just published, if its dataset was looked at."""
        if name not in self._known:
            return
        if name not in self._own:
            self._known[name] = self._known[name].copy()
            self._own.add(name)
        row = identity.size, identity.mtime_ns, identity.ctime_ns, identity.inode
        self._known[name][ordinal - self._lo(name)] = row

    def _lo(self, name: str) -> int:
        """The ordinal of a dataset's first row."""
        return self._plan.snapshot.states[name].lo
