"""A report as JSON: its fields, those of reports within it, and nothing that only text says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, IntEnum

import pytest

from partflow.report.document import INLINE, TEXT_ONLY, document


class Colour(Enum):
    DARK_RED = "#800000"


class Rank(IntEnum):
    FIRST = 1


@dataclass(frozen=True, slots=True)
class Place:
    shelf: str
    row: int | None


@dataclass(frozen=True, slots=True)
class Book:
    title: str
    place: Place = field(metadata=INLINE)
    sequel: Place | None = field(metadata=INLINE)
    read_at: tuple[Place, ...]
    worth: Mapping[str, Rank]
    cover: Colour
    said: str = field(metadata=TEXT_ONLY)


BOOK = Book(
    "Emma", Place("A", None), None, (Place("B", 2),), {"mine": Rank.FIRST}, Colour.DARK_RED, "red"
)


def test_a_report_gives_its_fields_in_their_order_and_those_of_inline_reports_among_them():
    assert list(document(BOOK).items()) == [
        ("title", "Emma"),
        ("shelf", "A"),
        ("row", None),
        ("read_at", [{"shelf": "B", "row": 2}]),
        ("worth", {"mine": "first"}),
        ("cover", "dark_red"),
    ]


def test_a_document_is_json():
    assert json.loads(json.dumps(document(BOOK))) == document(BOOK)


@pytest.mark.parametrize("value", [None, True, 3, 0.5, "text"])
def test_plain_values_stay_what_they_are(value):
    assert document(value) is value
