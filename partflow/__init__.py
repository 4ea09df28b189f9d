"""partflow: date-partitioned Parquet whose every partition is fresh, whole, and explained.

Declare datasets and tasks; partflow finds what is missing or stale, by content, and makes exactly
that. The names below are the public interface; heavy libraries are imported only when needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from partflow.dataset import Dataset, Source
from partflow.errors import PartflowError
from partflow.grain import Daily, Hourly, Monthly, Weekly, Whole
from partflow.partition import Partition
from partflow.task import effect, task

if TYPE_CHECKING:
    from partflow.project import Project

__all__ = [
    "Daily",
    "Dataset",
    "Hourly",
    "Monthly",
    "PartflowError",
    "Partition",
    "Project",
    "Source",
    "Weekly",
    "Whole",
    "effect",
    "task",
]


def __getattr__(name: str) -> object:
    """`Project` when it is asked for: declaring datasets needs none of what it wires."""
    if name == "Project":
        from partflow.project import Project

        return Project
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
