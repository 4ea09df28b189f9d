"""Says what lies in the warehouse and is not shown, and what moves it away.

Knows nothing of how that is found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from partflow.partitions.keytexts import shown_key
from partflow.report.text import count, size

if TYPE_CHECKING:
    from partflow.operations.undeclared import Lying


def stray_lines(found: Sequence[Lying]) -> list[str]:
    """A line for each dataset and reason, and one that says what to do."""
    if not found:
        return []
    names = list(dict.fromkeys(each.dataset for each in found))
    lines = [f"not shown: {each.dataset}, {_told(each)} {each.why.value}" for each in found]
    command = f"partflow gc --undeclared {' '.join(names)}"
    return [*lines, f"what is not shown stays until {command} moves it into the history"]


def _told(one: Lying) -> str:
    keys = [shown_key(stray.key) for stray in one.strays]
    span = keys[0] if len(keys) == 1 else f"{keys[0]} .. {keys[-1]}"
    return f"{count(len(keys), 'partition')} ({span}, {size(one.nbytes)})"


def stray_documents(found: Sequence[Lying]) -> list[dict[str, Any]]:
    """The same as JSON."""
    return [
        {
            "dataset": each.dataset,
            "why": each.why.name.lower(),
            "keys": [stray.key for stray in each.strays],
            "bytes": each.nbytes,
        }
        for each in found
    ]
