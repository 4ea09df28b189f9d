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
    from partflow.execution.controls import Controls, Sample, Stop
    from partflow.formats.format import Format
    from partflow.partitions.calendar import Daily, Hourly, Monthly, Weekly, Whole
    from partflow.partitions.cron import Cron
    from partflow.partitions.every import Every
    from partflow.partitions.sets import Partition
    from partflow.planning.plan import Only
    from partflow.planning.selection import Asked
    from partflow.project.history import History
    from partflow.project.project import Project
    from partflow.project.sqlfile import sql_file
    from partflow.store.memory import MemoryStore
    from partflow.warehouse.verify import Verify

__all__ = [
    "Asked",
    "Controls",
    "Cron",
    "Daily",
    "Dataset",
    "Every",
    "Format",
    "History",
    "Hourly",
    "MemoryStore",
    "Monthly",
    "Only",
    "PartflowError",
    "Partition",
    "Project",
    "Sample",
    "Source",
    "Stop",
    "Verify",
    "Weekly",
    "Whole",
    "effect",
    "sql_file",
    "task",
]

_MODULES = {
    "Asked": "planning.selection",
    "Controls": "execution.controls",
    "Cron": "partitions.cron",
    "Daily": "partitions.calendar",
    "Dataset": "declarations.dataset",
    "Every": "partitions.every",
    "Format": "formats.format",
    "History": "project.history",
    "Hourly": "partitions.calendar",
    "MemoryStore": "store.memory",
    "Monthly": "partitions.calendar",
    "Only": "planning.plan",
    "PartflowError": "errors",
    "Partition": "partitions.sets",
    "Project": "project.project",
    "Sample": "execution.controls",
    "Source": "declarations.dataset",
    "Stop": "execution.controls",
    "Verify": "warehouse.verify",
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
