"""What holds for a task's reads of itself: the search over bytes finds what plain loops find."""

from __future__ import annotations

import numpy as np
import profiles  # noqa: F401 - the number of examples
from hypothesis import given
from hypothesis import strategies as st

from partflow.planning.selfreads import (
    BLOCKED,
    BLOCKS,
    FRESH,
    NEEDED,
    PLANNED,
    STILL,
    WAITS,
    Back,
    needed_before,
    spread,
)


@st.composite
def backs(draw: st.DrawFn) -> list[Back]:
    """One to three reads that look back, near or far, with a gap or without."""
    found = []
    for position in range(draw(st.integers(1, 3))):
        last = draw(st.integers(1, 4))
        found.append(Back(position, last + draw(st.integers(0, 9)), last, draw(st.booleans())))
    return found


def looked_back(t: int, back: Back) -> list[int]:
    """The earlier partitions that a read of partition `t` finds."""
    return [i for i in range(t - back.first, t - back.last + 1) if i >= 0]


def mostly(kinds: list[int], rare: int) -> st.SearchStrategy[int]:
    """One of them, the first more often than the others."""
    return st.sampled_from([kinds[0]] * rare + kinds)


@given(st.data(), backs(), st.integers(0, 60))
def test_what_becomes_of_a_partition_follows_from_its_kind_and_what_it_finds(data, reads, n):
    kinds = data.draw(st.lists(mostly([FRESH, NEEDED, STILL, BLOCKS], 8), min_size=n, max_size=n))
    beside = data.draw(
        st.lists(mostly([0, PLANNED, WAITS, BLOCKED, PLANNED | WAITS], 12), min_size=n, max_size=n)
    )
    expected: list[int] = []
    for t, kind in enumerate(kinds):
        finds = {mark for mark in (PLANNED, WAITS, BLOCKED) if beside[t] & mark}
        for back in reads:
            seen = {expected[i] for i in looked_back(t, back)} - {0}
            finds |= seen & {PLANNED} if back.is_optional else seen
        if kind == STILL:
            expected.append(0)
        elif kind == BLOCKS or (kind == NEEDED and BLOCKED in finds):
            expected.append(BLOCKED)
        elif kind == NEEDED:
            expected.append(WAITS if WAITS in finds else PLANNED)
        else:
            expected.append(PLANNED if finds == {PLANNED} else 0)
    found = spread(np.array(kinds, np.uint8), np.array(beside, np.uint8), reads)
    assert found.tolist() == expected


@given(st.data(), backs(), st.integers(0, 60))
def test_what_is_needed_brings_the_restless_ones_that_it_looks_back_at(data, reads, n):
    rarely, often = mostly([False, True], 12), mostly([True, False], 2)
    needed = data.draw(st.lists(rarely, min_size=n, max_size=n))
    restless = data.draw(st.lists(often, min_size=n, max_size=n))
    expected = list(needed)
    for t in reversed(range(n)):
        for back in reads if expected[t] else ():
            for i in looked_back(t, back):
                expected[i] = expected[i] or restless[i]
    found = needed_before(np.array(needed, np.bool_), np.array(restless, np.bool_), reads)
    assert found.tolist() == expected
