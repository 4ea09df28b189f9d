"""Says which failures are the same one: of one task, in one place, with messages that are alike.

Knows nothing of runs. Messages are alike if they differ only by paths, or by the partition's key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from partflow.execution.controls import Failed

_PATH = re.compile(r"(?:[\w.=~-]*/)+[\w.=-]*")
"""A path, absolute or relative. The number of a staged file is a part of one, and so is a key."""


def likeness(failed: Failed) -> tuple[str, str, str]:
    """What is equal for two failures exactly if they are alike."""
    message = _PATH.sub("PATH", failed.failure.message).replace(failed.key, "KEY")
    return failed.task, failed.failure.place, message


@dataclass(slots=True)
class Row:
    """How many times in a row each task failed in the same way; after `limit` it is enough."""

    limit: int
    _last: dict[str, tuple[tuple[str, str, str], int]] = field(default_factory=dict)

    def failed(self, failed: Failed) -> bool:
        """Count a failure; whether its task has now failed `limit` times in a row alike."""
        alike, before = likeness(failed), self._last.get(failed.task)
        number = before[1] + 1 if before is not None and before[0] == alike else 1
        self._last[failed.task] = alike, number
        return number == self.limit

    def succeeded(self, task: str) -> None:
        """Begin anew to count a task's failures."""
        self._last.pop(task, None)
