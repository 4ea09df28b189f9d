"""Tells by stat whether sources' files are still those that the plan saw.

Knows nothing of steps. A file that is replaced while a task reads it may be read half old and half
new. If the old file is put back before the next look at the source, only this comparison shows it.
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
    """What the plan saw of sources: `stats` by name, shape (n, 4), -1 where there was no file."""

    plan: Plan
    stats: Mapping[str, NDArray[np.int64]]

    def of(self, dataset: Dataset, ordinals: Sequence[int]) -> bytes | None:
        """A digest of 16 bytes over these partitions' stats, as the plan saw them.

        None if there are no partitions, the dataset is no source, or nobody looked at its files.
        """
        seen = self.stats.get(dataset.name)
        if seen is None or not dataset.is_source or not ordinals:
            return None
        return _digest(seen[np.array(ordinals) - self.plan.snapshot.states[dataset.name].lo])


def is_as_seen(store: Store, dataset: Dataset, ordinals: Sequence[int], stamp: bytes) -> bool:
    """Whether these partitions' files have the stats now that `stamp` was made of."""
    return _digest(store.identities(dataset, keys_of(dataset, ordinals))) == stamp


def _digest(stats: NDArray[np.int64]) -> bytes:
    """A digest over sizes and times. Inodes are left out: on some mounts they change by themselves.

    Replacing a file, or putting it back, changes the time of its status (ctime).
    """
    return hashlib.blake2b(stats[:, :3].astype("<i8").tobytes(), digest_size=16).digest()
