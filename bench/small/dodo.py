"""The workload in doit: a task a partition, with its files as dependencies and target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from byhand import MADE, days, inputs, make, make_folders, path

DOIT_CONFIG = {"reporter": "zero"}


def task_partition() -> Iterator[dict[str, Any]]:
    """Every partition; doit orders them by their files."""
    make_folders()
    for day in days():
        for dataset in MADE:
            yield {
                "name": f"{dataset}:{day}",
                "actions": [(make, (dataset, day))],
                "file_dep": inputs(dataset, day),
                "targets": [path(dataset, day)],
            }
