"""Questions about ranges of ordinals are differences of sums: the same as asking one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from partflow.planning.demand import covered
from partflow.planning.upstream import Ranges, counts

LO = 5
masks = st.lists(st.booleans(), min_size=1, max_size=12).map(np.array)


@st.composite
def ranges(draw: st.DrawFn) -> Ranges:
    """Neither end ever decreases; some ranges are empty, some lie beyond the ends of a mask."""
    n = draw(st.integers(1, 6))
    a = sorted(draw(st.lists(st.integers(LO - 3, LO + 15), min_size=n, max_size=n)))
    sizes = draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))
    b = np.maximum.accumulate(np.array(a) + np.array(sizes))
    return Ranges.of(np.array(a, np.int64), b.astype(np.int64))


def inside(mask: np.ndarray, ordinal: int) -> bool:
    return 0 <= ordinal - LO < len(mask) and bool(mask[ordinal - LO])


@given(masks, ranges())
def test_a_range_is_hit_if_any_of_its_ordinals_is(mask, read) -> None:
    hits = read.hits(counts(mask), LO)
    assert hits is not None
    expected = [
        any(inside(mask, o) for o in range(a, b))
        for a, b in zip(read.a.tolist(), read.b.tolist(), strict=True)
    ]
    assert hits.tolist() == expected


def test_what_holds_of_no_partition_is_asked_for_none() -> None:
    assert Ranges.of(np.array([1]), np.array([2])).hits(None, 0) is None


@given(ranges(), st.data())
def test_what_is_covered_lies_in_a_range_that_is_chosen(read, data) -> None:
    n = len(read.a)
    chosen = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)))
    said = covered((read.a, read.b), chosen, LO, 12).tolist()
    pairs = [
        (a, b)
        for a, b, is_chosen in zip(read.a.tolist(), read.b.tolist(), chosen, strict=True)
        if is_chosen
    ]
    assert said == [any(a <= o < b for a, b in pairs) for o in range(LO, LO + 12)]


@given(ranges())
def test_a_cut_of_ranges_is_the_ranges_of_those_partitions(read) -> None:
    part = slice(1, len(read.a))
    assert read.cut(part).a.tolist() == read.a[part].tolist()
    assert read.cut(slice(0, len(read.a))) is read
