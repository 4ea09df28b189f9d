"""Tells whether sources' files are still those that were looked at, by what stat says of them.

Knows nothing of steps. A file that is replaced while it is read may be read half and half; and if
the first one is put back before the next look, nothing else would ever tell.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from partflow.declarations.dataset import Dataset
from partflow.planning.planner import Plan
from partflow.store.protocol import Store
from partflow.warehouse.reading import keys_of

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Stamps:
    """What was seen of sources: `stats` by name, shape (n, 4), -1 where no file was."""

    plan: Plan
    stats: Mapping[str, NDArray[np.int64]]

    def of(self, dataset: Dataset, ordinals: Sequence[int]) -> bytes | None:
        """What those partitions looked like; None if they were not looked at, or are a task's."""
        seen = self.stats.get(dataset.name)
        if seen is None or not dataset.is_source or not ordinals:
            return None
        return _digest(seen[np.array(ordinals) - self.plan.snapshot.states[dataset.name].lo])


def is_as_seen(store: Store, dataset: Dataset, ordinals: Sequence[int], stamp: bytes) -> bool:
    """Whether those partitions look now as when that stamp was made."""
    return _digest(store.identities(dataset, keys_of(dataset, ordinals))) == stamp


def _digest(stats: NDArray[np.int64]) -> bytes:
    """Over size and times; inodes are left out, for on some mounts they come and go by themselves.

    Who puts a file in another's place, or back, changes the time of its status.
    """
    return hashlib.blake2b(stats[:, :3].astype("<i8").tobytes(), digest_size=16).digest()
