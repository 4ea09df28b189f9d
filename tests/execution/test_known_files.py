"""What a run knows of its inputs' files: as it found them, and as it made them since."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from partflow.declarations.dataset import Dataset
from partflow.execution.knownfiles import KnownFiles
from partflow.partitions.calendar import Daily
from partflow.store.identity import FileIdentity

DAYS, OTHER = (Dataset(name, Daily("2024-01-01")) for name in ("days", "other"))
LO = 19_723
FOUND = np.arange(12, dtype=np.int64).reshape(3, 4)
MADE = FileIdentity(7, 70, 700, 7000)


@pytest.fixture
def known() -> KnownFiles:
    plan = SimpleNamespace(snapshot=SimpleNamespace(states={"days": SimpleNamespace(lo=LO)}))
    return KnownFiles(plan, {"days": FOUND})


def rows(known: KnownFiles, *ordinals: int) -> list[list[int]]:
    return np.frombuffer(known.of(DAYS, ordinals), np.int64).reshape(-1, 4).tolist()


def test_what_was_found_is_expected_in_the_order_of_the_ordinals(known):
    assert rows(known, LO + 2, LO) == [[8, 9, 10, 11], [0, 1, 2, 3]]


def test_of_what_nobody_looked_at_and_of_nothing_nothing_is_expected(known):
    assert known.of(OTHER, [LO]) is None
    assert known.of(DAYS, []) is None
    known.put("other", LO, MADE)
    assert known.of(OTHER, [LO]) is None


def test_what_was_made_is_expected_from_then_on_and_what_was_found_is_left_as_it_is(known):
    known.put("days", LO + 1, MADE)
    assert rows(known, LO, LO + 1) == [[0, 1, 2, 3], [7, 70, 700, 7000]]
    assert FOUND.tolist() == np.arange(12).reshape(3, 4).tolist()
