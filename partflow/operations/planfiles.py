"""Saved plans as files: read whole, and written whole or not at all.

Knows nothing of what a plan holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from partflow.errors import UsageError
from partflow.planning.savedplan import SavedPlan, parsed, text_of
from partflow.store.replacing import replaced


def write_plan(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document beside its place, and then rename it; OSError if the disk refuses."""
    with replaced(path, durable=True) as new:
        new.write_text(text_of(document), encoding="utf-8")


def read_plan(path: Path) -> SavedPlan:
    """The plan in a file; UsageError if it holds none, OSError if it cannot be read."""
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path}: is no saved plan: it is not text") from None
    return parsed(text, str(path))
