"""Reports files that lie in the warehouse but are not shown, and the command that moves them.

Knows nothing of how they are found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from partflow.partitions.keytexts import shown_key
from partflow.report.text import count, size

if TYPE_CHECKING:
    from partflow.operations.undeclared import Hidden, Lying


@dataclass(frozen=True, slots=True)
class StrayReport:
    """Keys of a dataset that are not shown for one reason, and the bytes of their files."""

    dataset: str
    why: Hidden
    keys: tuple[str, ...]
    bytes: int


def stray_reports(lying: Sequence[Lying]) -> tuple[StrayReport, ...]:
    """The reports of strays, by dataset and reason."""
    return tuple(
        StrayReport(each.dataset, each.why, tuple(s.key for s in each.strays), each.nbytes)
        for each in lying
    )


def stray_lines(strays: Sequence[StrayReport]) -> list[str]:
    """A line for each dataset and reason, then one that says what to do; [] if there are none."""
    if not strays:
        return []
    names = list(dict.fromkeys(each.dataset for each in strays))
    lines = [f"not shown: {each.dataset}, {_told(each)} {each.why.value}" for each in strays]
    command = f"partflow gc --undeclared {' '.join(names)}"
    return [*lines, f"what is not shown stays until {command} moves it into the history"]


def _told(stray: StrayReport) -> str:
    keys = [shown_key(key) for key in stray.keys]
    span = keys[0] if len(keys) == 1 else f"{keys[0]} .. {keys[-1]}"
    return f"{count(len(keys), 'partition')} ({span}, {size(stray.bytes)})"
