"""Makes a grain from the words in which it describes itself: what a record of a past run has of it.

Knows nothing of records. The grain's range begins anywhere: only how it is cut is in the words.
"""

from __future__ import annotations

from partflow.errors import PartflowError
from partflow.partitions.calendar import Daily, Hourly, Monthly, Weekly, Whole
from partflow.partitions.cron import Cron
from partflow.partitions.every import Every
from partflow.partitions.grain import Grain

_START = "1970-01-01"


def grain_described(text: str) -> Grain | None:
    """The grain that describes itself so; None if none does."""
    words, comma, tz = text.rpartition(", ")
    if not comma:
        words, tz = text, "UTC"
    try:
        return _grain(words, tz)
    except (PartflowError, ValueError):
        return None


def _grain(words: str, tz: str) -> Grain | None:
    """ValueError or DeclarationError if there can be none."""
    kind, _, rest = words.partition(" ")
    match kind:
        case "hourly" if not rest:
            return Hourly(_START, tz=tz)
        case "daily" if not rest:
            return Daily(_START, tz=tz)
        case "monthly" if not rest:
            return Monthly(_START, tz=tz)
        case "weekly":
            first_day = rest.removeprefix("from ") or "monday"
            return Weekly(_START, tz=tz, first_day=first_day)
        case "whole" if not rest:
            return Whole()
        case "every":
            step, _, first = rest.partition(" from ")
            return Every(step, f"{first}Z" if "T" in first else first, tz=tz)
        case "cron":
            return Cron(rest, _START, tz=tz)
        case _:
            return None
