"""How large a run is: what batches take of memory, how many steps there are, what they took.

Knows nothing of steps. Files are compressed: a frame can be thirty times as large as its file. So a
frame's size is estimated as its rows, which are recorded, times the width of a row, which is taken
from one of the dataset's files.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import numpy as np

from partflow.declarations.dataset import Dataset
from partflow.declarations.graph import outputs
from partflow.errors import ReadError
from partflow.execution.pace import Forecast
from partflow.execution.readyqueue import batch_limit
from partflow.formats.known import table_of
from partflow.planning.digests import lanes
from partflow.planning.planner import Plan
from partflow.planning.snapshot import Condition
from partflow.store.protocol import Store, files_of

BATCH = 64 * 2**20
"""The largest size in memory of the frames that one batch reads, in bytes."""

_COPIES = 4
"""How many times a call holds its frames at most: read, returned, copied, encoded."""


def batch_bytes(free: int | None, jobs: int) -> int:
    """The largest size of one batch's frames, if `jobs` calls share `free` bytes of memory.

    `free` is None where it is not known.
    """
    return BATCH if free is None else max(1, min(BATCH, free // (_COPIES * max(1, jobs))))


def widths(plan: Plan, store: Store, batch_size: int | None) -> dict[str, float]:
    """The bytes of memory that a row takes, for each dataset that a batch of this plan reads.

    It is taken from the dataset's largest file; a dataset of which that is unreadable is left out.
    """
    widths_by_name: dict[str, float] = {}
    for planned in plan.tasks.values():
        limit = batch_limit(planned.task, batch_size)
        if limit <= 1 or not planned.action.any():
            continue
        for task_input in planned.task.inputs:
            dataset = task_input.read.dataset
            if dataset.name not in widths_by_name and dataset.stored_as.is_table:
                widths_by_name |= _width(plan, store, dataset)
    return widths_by_name


def forecast_of(plan: Plan, took: Mapping[str, float], batch_size: int | None) -> Forecast:
    """How many steps there are to be made of each task, and what one took in earlier runs.

    `took` is told of tasks only of which a partition is recorded that the present code made: other
    code may take longer, or end its process.
    """
    planned = {name: each for name, each in plan.tasks.items() if each.action.any()}
    return Forecast(
        {name: int(np.count_nonzero(each.action)) for name, each in planned.items()},
        {name: batch_limit(each.task, batch_size) for name, each in planned.items()},
        {name: seconds for name, seconds in took.items() if _has_made(plan, name)},
    )


def _has_made(plan: Plan, name: str) -> bool:
    """Whether the task's present code has made a partition that is recorded."""
    task = plan.tasks[name].task
    state = plan.snapshot.states[outputs(task)[0]]
    present = np.array(lanes(plan.snapshot.codes[name]), np.uint64)
    return bool((state.code == present).all(axis=1).any())


def _width(plan: Plan, store: Store, dataset: Dataset) -> dict[str, float]:
    state = plan.snapshot.states[dataset.name]
    rows = np.where(state.condition == Condition.GOOD, state.rows, 0)
    if not rows.any():
        return {}
    i = int(np.argmax(np.where(rows > 0, state.nbytes, -1)))
    paths = files_of(store, dataset, dataset.grain.key(state.lo + i))
    with suppress(ReadError, OSError):
        form = table_of(dataset)
        return {dataset.name: sum(form.memory(path) for path in paths) / int(rows[i])}
    return {}
