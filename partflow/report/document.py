"""A report as a JSON document: a frozen dataclass gives its fields, an enum its name.

Knows nothing of which reports there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Final

TEXT_ONLY: Final = {"text_only": True}
"""The metadata of a field that only lines of text say."""
INLINE: Final = {"inline": True}
"""The metadata of a field, a report too or None, whose fields stand among those of its report."""


def document(report: object) -> Any:
    """What `json` takes."""
    match report:
        case Enum():
            return report.name.lower()
        case Mapping():
            return {str(key): document(value) for key, value in report.items()}
        case tuple() | list():
            return [document(value) for value in report]
        case _ if is_dataclass(report):
            return _fields(report)
        case _:
            return report


def _fields(report: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for each in fields(report):
        value = document(getattr(report, each.name))
        if each.metadata == INLINE:
            shown |= value or {}
        elif each.metadata != TEXT_ONLY:
            shown[each.name] = value
    return shown
