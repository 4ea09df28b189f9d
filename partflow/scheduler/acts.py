"""What a tick comes to, as data: what is to be run, and until when nothing is to be done.

Knows nothing of how it is decided or carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from partflow.partitions.sets import PartitionSet


@dataclass(frozen=True, slots=True)
class Run:
    """A run to begin beside those that go on: of each task these partitions, at most so many."""

    tasks: Mapping[str, PartitionSet]
    at_most: int


@dataclass(frozen=True, slots=True)
class Acts:
    """What is to be done now. `run` is None if nothing is.

    `sleep_until` is in epoch seconds, and never later than the next look.
    """

    run: Run | None
    sleep_until: float
    looks_at_all: bool = False
