"""How large in memory a batch may be, and how large the frames that it reads will be.

Knows nothing of steps. Files are compressed: a frame can be thirty times as large as its file. Its
size follows from its rows, which are recorded, and from how wide a row is, as a file of it tells.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np

from partflow.declarations.dataset import Dataset
from partflow.declarations.parameters import ParameterKind
from partflow.errors import ReadError
from partflow.execution.readyqueue import batch_limit
from partflow.formats.known import format_of
from partflow.formats.parquet import Parquet
from partflow.formats.text import Csv, Ndjson
from partflow.formats.unreadable import reading
from partflow.planning.planner import Plan
from partflow.planning.snapshot import Condition
from partflow.store.local import Store

BATCH = 64 * 2**20
"""The frames that one batch reads have so many bytes in memory at most."""

_COPIES = 4
"""A call holds its frames so many times at most: read, returned, copied, encoded."""
_VIEW = 16
"""So many bytes polars takes for each text beside the text itself."""
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "FIXED_LEN_BYTE_ARRAY": 16}


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
            if dataset.name not in found and one.kind is not ParameterKind.OBJECT:
                found |= _width(plan, store, dataset)
    return found


def _width(plan: Plan, store: Store, dataset: Dataset) -> dict[str, float]:
    state = plan.snapshot.states[dataset.name]
    rows = np.where(state.condition == Condition.GOOD, state.rows, 0)
    if not rows.any():
        return {}
    i = int(np.argmax(np.where(rows > 0, state.nbytes, -1)))
    path = store.path(dataset, dataset.grain.key(state.lo + i))
    with suppress(ReadError, OSError):
        return {dataset.name: memory_of(path, dataset) / int(rows[i])}
    return {}


def memory_of(path: Path, dataset: Dataset) -> int:
    """About how many bytes the frame in a file will take; no row of Parquet is read for it.

    Raises ReadError or OSError for a file that can't be read.
    """
    form = format_of(dataset)
    if isinstance(form, Parquet):
        return memory_by_footer(path)
    text = path.stat().st_size
    if isinstance(form, Csv):
        with path.open("rb") as file:
            lines = sum(block.count(b"\n") for block in iter(lambda: file.read(2**20), b""))
        return text + _VIEW * lines * len(form.columns(path))
    return 2 * text if isinstance(form, Ndjson) else text


def memory_by_footer(path: Path) -> int:
    """About how many bytes the frame in a Parquet file takes in memory, as its footer says.

    Texts count with what is written of them: one that is repeated is there once.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with reading(path):
        try:
            footer = pq.read_metadata(pa.OSFile(str(path)))
        except ValueError as error:  # pyarrow's own errors are ValueErrors
            raise OSError(str(error)) from error
    total = 0
    for g in range(footer.num_row_groups):
        group = footer.row_group(g)
        for c in range(group.num_columns):
            column = group.column(c)
            if column.physical_type == "BYTE_ARRAY":
                total += _VIEW * column.num_values + column.total_uncompressed_size
            else:
                total += _WIDTHS.get(column.physical_type, 8) * column.num_values
    return total
