"""Why an attempt failed is said of the partition, and not of where its file lay meanwhile."""

from __future__ import annotations

import errno
import os

from partflow.declarations.dataset import Dataset
from partflow.declarations.graph import derive
from partflow.declarations.task import task
from partflow.execution.attempt.assignment import Work
from partflow.execution.attempt.failures import failure_of
from partflow.execution.orders import Attempt, Lineage, Order
from partflow.partitions.calendar import Daily
from partflow.store.local import LocalStore
from partflow.warehouse.handover import HandOver


def test_a_disk_that_refuses_a_staged_file_is_told_of_its_partition(tmp_path):
    out = Dataset("out", Daily("2024-01-01"))
    make = task(name="make", writes=out)(lambda: None)
    lineage = Lineage("make", "2024-01-03", 0, 1, "0" * 32, "run", 0, ())
    attempt = Attempt(7, 19725, 1, (), lineage, (), 0)
    store = LocalStore(tmp_path, tmp_path / "warehouse")
    graph = derive([make], [out])
    work = Work(Order("run", "make", (attempt,)), graph, graph.task("make"), store, HandOver(0))
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(work.staged(attempt, 0)))
    assert failure_of(full, work).message == (
        "the new file of out@2024-01-03: No space left on device; make room, and run again"
    )
