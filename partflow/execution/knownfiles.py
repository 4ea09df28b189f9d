"""Which files a run's inputs are: those that it looked at, and those that it has made since.

Knows nothing of steps. A reader is told what to expect: another file is not what the footer says
that a partition was made from. If the first one is put back before the next look, nothing else
would ever tell.
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

    `looked` has those of the datasets that were looked at, by name, shape (n, 4); it is not
    changed.
    """

    def __init__(self, plan: Plan, looked: Mapping[str, NDArray[np.int64]]) -> None:
        self._plan = plan
        self._known = dict(looked)
        self._own: set[str] = set()

    def of(self, dataset: Dataset, ordinals: Sequence[int]) -> bytes | None:
        """The identities of these partitions' files, 32 bytes each; None if nobody looked."""
        known = self._known.get(dataset.name)
        if known is None or not ordinals:
            return None
        rows: NDArray[np.int64] = known[np.array(ordinals) - self._lo(dataset.name)]
        return rows.tobytes()

    def put(self, name: str, ordinal: int, identity: FileIdentity) -> None:
        """A partition's file was made just now."""
        if name not in self._known:
            return
        if name not in self._own:
            self._known[name] = self._known[name].copy()
            self._own.add(name)
        row = identity.size, identity.mtime_ns, identity.ctime_ns, identity.inode
        self._known[name][ordinal - self._lo(name)] = row

    def _lo(self, name: str) -> int:
        """The ordinal of the first row."""
        return self._plan.snapshot.states[name].lo
