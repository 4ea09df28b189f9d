"""partflow: date-partitioned Parquet whose every partition is fresh, whole, and explained.

Declare datasets and tasks; partflow finds what is missing or stale, by content, and makes exactly
that. The names below are the public interface; each is imported when it is asked for, so that
`partflow --help` waits for none of them.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from partflow.declarations.dataset import Dataset, Source
    from partflow.declarations.task import effect, task
    from partflow.errors import PartflowError
    from partflow.partitions.calendar import Cron, Daily, Every, Hourly, Monthly, Weekly, Whole
    from partflow.partitions.sets import Partition
    from partflow.project.project import Project
    from partflow.project.sqlfile import sql_file

__all__ = [
    "Cron",
    "Daily",
    "Dataset",
    "Every",
    "Hourly",
    "Monthly",
    "PartflowError",
    "Partition",
    "Project",
    "Source",
    "Weekly",
    "Whole",
    "effect",
    "sql_file",
    "task",
]

_MODULES = {
    "Cron": "partitions.cron",
    "Daily": "partitions.calendar",
    "Dataset": "declarations.dataset",
    "Every": "partitions.every",
    "Hourly": "partitions.calendar",
    "Monthly": "partitions.calendar",
    "PartflowError": "errors",
    "Partition": "partitions.sets",
    "Project": "project.project",
    "Source": "declarations.dataset",
    "Weekly": "partitions.calendar",
    "Whole": "partitions.calendar",
    "effect": "declarations.task",
    "sql_file": "project.sqlfile",
    "task": "declarations.task",
}


def __getattr__(name: str) -> object:
    """A public name, from the module that has it."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"partflow.{_MODULES[name]}"), name)
    globals()[name] = found
    return found
