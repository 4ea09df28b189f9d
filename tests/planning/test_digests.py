"""Digests of ranges: equal for equal pairs of start and content, and for no others."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from partflow.planning.digests import element, elements, lanes, prefix, range_digest
from partflow.planning.snapshot import empty_state, state_over

number = st.integers(0, 2**64 - 1)
contents = st.lists(st.tuples(number, number), min_size=1, max_size=12)


def parts_of(starts: list[int], content: list[tuple[int, int]]) -> np.ndarray:
    return elements(np.array(starts, np.int64), np.array(content, np.uint64).reshape(-1, 2))


@given(contents, st.data())
def test_the_digest_of_a_range_is_the_difference_of_two_prefix_sums(content, data) -> None:
    a = data.draw(st.integers(0, len(content)))
    b = data.draw(st.integers(a, len(content)))
    parts = parts_of(list(range(len(content))), content)
    sums = prefix(parts)
    assert (sums[b] - sums[a]).tolist() == range_digest(parts[a:b]).tolist()


@given(st.integers(-(2**62), 2**62), st.tuples(number, number) | st.just((0, 0)))
def test_one_element_is_what_arrays_give_for_it(start, content) -> None:
    assert element(start, content) == tuple(parts_of([start], [content])[0].tolist())


@given(contents, st.data())
def test_a_changed_content_changes_the_digest(content, data) -> None:
    i = data.draw(st.integers(0, len(content) - 1))
    other = data.draw(st.tuples(number, number).filter(lambda c: c != content[i]))
    starts = list(range(len(content)))
    changed = [*content[:i], other, *content[i + 1 :]]
    assert digest(starts, content) != digest(starts, changed)


def digest(starts: list[int], content: list[tuple[int, int]]) -> list[int]:
    found: list[int] = range_digest(parts_of(starts, content)).tolist()
    return found


@given(st.lists(number, min_size=2, max_size=2, unique=True), number)
def test_contents_that_change_places_change_the_digest(ones, two) -> None:
    content = [(ones[0], two), (ones[1], two)]
    assert digest([0, 86400], content) != digest([0, 86400], content[::-1])


def test_the_same_content_at_another_start_is_another_digest() -> None:
    assert digest([0], [(1, 2)]) != digest([86400], [(1, 2)])


def test_a_partition_without_content_adds_nothing() -> None:
    assert digest([0, 1], [(7, 8), (0, 0)]) == digest([0], [(7, 8)])
    assert digest([0], [(0, 0)]) == [0, 0]


def test_content_that_is_zero_in_one_lane_counts() -> None:
    assert digest([0], [(0, 1)]) != [0, 0]
    assert digest([0], [(1, 0)]) != [0, 0]


def test_a_fingerprint_is_two_numbers_whatever_its_tag() -> None:
    digits = "000000000000000a00000000000000ff"
    assert lanes(digits) == lanes(f"v1:{digits}") == (10, 255)


def test_a_state_cut_to_a_wider_range_was_never_made_there() -> None:
    state = empty_state(5, 3, 1)
    state.condition[:] = 1
    state.seq[:] = [7, 8, 9]
    found = state_over(state, 4, 7)
    assert found.condition.tolist() == [0, 1, 1]
    assert found.seq.tolist() == [0, 7, 8]
    assert found.reads.tolist() == [-1, -1, -1]
    assert (found.lo, found.hi) == (4, 7)


def test_a_state_cut_to_where_it_has_nothing_is_empty() -> None:
    assert state_over(empty_state(5, 3), 9, 11).condition.tolist() == [0, 0]
    assert state_over(empty_state(5, 3), 9, 9).condition.tolist() == []
