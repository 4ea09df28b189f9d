"""How large in memory a batch may be, and how large the frames that it reads will be.

Knows nothing of steps. Files are compressed: a frame can be thirty times as large as its file. Its
size follows from its rows, which are recorded, and from how wide a row is, as a file of it tells.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from partflow.declarations.dataset import Dataset
from partflow.errors import ReadError
from partflow.execution.readyqueue import batch_limit
from partflow.formats.known import table_of
from partflow.planning.planner import Plan
from partflow.planning.snapshot import Condition
from partflow.store.protocol import Store, file_of

BATCH = 64 * 2**20
"""The frames that one batch reads have so many bytes in memory at most."""

_COPIES = 4
"""A call holds its frames so many times at most: read, returned, copied, encoded."""


def batch_bytes(free: int | None, jobs: int) -> int:
    """What the frames of one batch may come to where `jobs` of them share the `free` memory."""
    return BATCH if free is None else max(1, min(BATCH, free // (_COPIES * max(1, jobs))))


def widths(plan: Plan, store: Store, batch_size: int | None) -> dict[str, float]:
    """By dataset that a batch of this plan reads, the bytes of memory that a row takes.

    Its largest file tells: one of each dataset is looked into.
    """
    found: dict[str, float] = {}
    for planned in plan.tasks.values():
        limit = batch_limit(planned.task, batch_size)
        if limit <= 1 or not planned.action.any():
            continue
        for one in planned.task.inputs:
            dataset = one.read.dataset
            if dataset.name not in found and dataset.stored_as.is_table:
                found |= _width(plan, store, dataset)
    return found


def _width(plan: Plan, store: Store, dataset: Dataset) -> dict[str, float]:
    state = plan.snapshot.states[dataset.name]
    rows = np.where(state.condition == Condition.GOOD, state.rows, 0)
    if not rows.any():
        return {}
    i = int(np.argmax(np.where(rows > 0, state.nbytes, -1)))
    path = file_of(store, dataset, dataset.grain.key(state.lo + i))
    with suppress(ReadError, OSError):
        return {dataset.name: table_of(dataset).memory(path) / int(rows[i])}
    return {}
