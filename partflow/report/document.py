"""Turns a report into a JSON document: a dataclass into its fields, an enum into its name.

Knows nothing of which reports there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Final

TEXT_ONLY: Final = {"text_only": True}
"""The metadata of a field that is not in the document, only in lines of text."""
INLINE: Final = {"inline": True}
"""The metadata of a field that holds a report or None, whose fields are put among its owner's."""


def document(report: object) -> Any:
    """The report as dicts, lists and plain values, which `json` can write."""
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
