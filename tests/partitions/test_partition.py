"""Partitions as users see them, and sets of them against Python's own."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from partflow.partitions.calendar import Daily, Hourly, Whole
from partflow.partitions.sets import Partition, PartitionSet

ranges = st.lists(
    st.tuples(st.integers(-20, 60), st.integers(-20, 60)).map(lambda r: (min(r), max(r))),
    max_size=6,
)


def plain(pairs: list[tuple[int, int]]) -> set[int]:
    return {o for lo, hi in pairs for o in range(lo, hi)}


@given(ranges, ranges)
def test_sets_have_the_algebra_of_sets(one, other) -> None:
    a, b = PartitionSet.of(one), PartitionSet.of(other)
    assert set(a | b) == plain(one) | plain(other)
    assert set(a & b) == plain(one) & plain(other)
    assert set(a - b) == plain(one) - plain(other)


@given(ranges)
def test_ranges_are_sorted_disjoint_and_do_not_touch(pairs) -> None:
    found = PartitionSet.of(pairs)
    assert list(found) == sorted(plain(pairs))
    assert all(lo < hi for lo, hi in found.ranges)
    assert all(a[1] < b[0] for a, b in zip(found.ranges, found.ranges[1:], strict=False))
    assert (len(found), bool(found)) == (len(plain(pairs)), bool(plain(pairs)))


@given(ranges, st.integers(-25, 65))
def test_a_set_knows_what_is_in_it(pairs, ordinal) -> None:
    assert (ordinal in PartitionSet.of(pairs)) == (ordinal in plain(pairs))


@given(ranges, st.integers(-30, 70), st.integers(0, 50))
def test_a_mask_is_the_set_cut_to_a_range_and_back(pairs, lo, n) -> None:
    mask = PartitionSet.of(pairs).mask(lo, lo + n)
    assert mask.tolist() == [o in plain(pairs) for o in range(lo, lo + n)]
    assert set(PartitionSet.where(mask, lo)) == plain(pairs) & set(range(lo, lo + n))


@given(st.lists(st.tuples(st.integers(-20, 60), st.integers(-20, 60)), max_size=8))
def test_ranges_whose_ends_never_decrease_are_joined_to_their_union(pairs) -> None:
    a, b = (np.array(sorted(pair[end] for pair in pairs), np.int64) for end in (0, 1))
    joined = PartitionSet.joined(a, b)
    assert joined == PartitionSet.of(zip(a.tolist(), b.tolist(), strict=True))


def test_an_empty_mask_is_an_empty_set() -> None:
    assert PartitionSet.where(np.zeros(0, np.bool_), 5) == PartitionSet()


def test_a_partition_shows_its_interval_in_the_zone_of_its_grain() -> None:
    grain = Daily("2024-01-01", tz="Europe/Berlin")
    found = Partition.of(grain, grain.ordinal("2024-03-31"))
    assert found.key == "2024-03-31"
    assert found.start is not None
    assert found.end is not None
    assert (found.end - found.start).total_hours() == 23
    assert str(found.start) == "2024-03-31 00:00:00+01:00"
    assert str(found.date) == "2024-03-31"


def test_the_date_of_an_hour_is_that_of_the_zone_and_not_of_its_key() -> None:
    grain = Hourly("2024-01-01", tz="America/Sao_Paulo")
    found = Partition.of(grain, grain.ordinal("2024-01-02T01"))
    assert (found.key, str(found.date)) == ("2024-01-02T01", "2024-01-01")


def test_the_whole_has_no_start_end_or_date() -> None:
    assert Partition.of(Whole(), 0) == Partition("all", None, None, None)
