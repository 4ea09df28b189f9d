"""What is remembered of failures: by inputs and code, with growing pauses, and no longer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partflow.scheduler.outlook import FailedSteps, Steps
from partflow.scheduler.tries import (
    OF_MACHINE_AT_MOST,
    Memory,
    held,
    next_try,
    with_failures,
    without_what_is_over,
)

NOW = 1_700_000_000.0
DAY = 86400


def steps(digests: dict[int, int], retry_delay: float = 10.0) -> dict[str, Steps]:
    """Steps of the task `clean`, each with the digest of what it would be made from."""
    ordinals = np.array(sorted(digests), np.int64)
    of_each = np.array([digests[o] for o in sorted(digests)], np.uint64)
    return {"clean": Steps("clean", ordinals, of_each, ordinals, retry_delay)}


def failed(digests: dict[int, int], *, of_machine: bool = False) -> list[FailedSteps]:
    """Steps that failed, in no order."""
    ordinals = np.array(list(digests)[::-1], np.int64)
    of_each = np.array(list(digests.values())[::-1], np.uint64)
    return [FailedSteps("clean", ordinals, of_each, "bad.csv: no column qty", of_machine)]


def held_at(memory: Memory, now: float, wanted: dict[str, Steps]) -> list[int]:
    """The ordinals that are held at a moment."""
    return held(memory["clean"], wanted["clean"], now).ordinals.tolist()


def test_a_step_is_held_for_its_tasks_delay_after_it_failed() -> None:
    memory = with_failures({}, failed({5: 1, 3: 2}), NOW)
    wanted = steps({3: 2, 4: 9, 5: 1})

    assert held_at(memory, NOW + 9, wanted) == [3, 5]
    assert held_at(memory, NOW + 10, wanted) == []
    assert next_try(memory, wanted, NOW) == NOW + 10
    assert next_try(memory, wanted, NOW + 10) is None


def test_the_delay_doubles_with_each_failure_up_to_a_day() -> None:
    memory, now, waited = {}, NOW, []
    for _ in range(20):
        memory = with_failures(memory, failed({5: 1}), now)
        again = next_try(memory, steps({5: 1}), now)
        assert again is not None
        waited.append(again - now)
        now = again

    assert waited[:4] == [10, 20, 40, 80]
    assert waited[-2:] == [DAY, DAY]


def test_it_is_tried_at_once_when_its_inputs_or_its_code_move() -> None:
    memory = with_failures({}, failed({5: 1}), NOW)

    assert held_at(memory, NOW, steps({5: 1})) == [5]
    assert held_at(memory, NOW, steps({5: 7})) == []
    assert without_what_is_over(memory, steps({5: 7})) == {}
    assert with_failures(memory, failed({5: 7}), NOW)["clean"].counts.tolist() == [1]


def test_failures_of_the_machine_are_tried_again_soon_and_count_for_no_step() -> None:
    memory = with_failures({}, failed({5: 1}), NOW)
    for _ in range(30):
        memory = with_failures(memory, failed({5: 1}, of_machine=True), NOW)

    assert memory["clean"].counts.tolist() == [1]
    assert next_try(memory, steps({5: 1}), NOW) == NOW + OF_MACHINE_AT_MOST
    memory = with_failures(memory, failed({5: 1}), NOW)
    assert next_try(memory, steps({5: 1}), NOW) == NOW + 20


def test_what_is_no_longer_to_be_made_is_forgotten_and_nothing_else() -> None:
    memory = with_failures({}, failed({5: 1, 6: 2}), NOW)

    assert without_what_is_over(memory, {}) == {}
    assert without_what_is_over(memory, steps({})) == {}
    assert without_what_is_over(memory, steps({6: 2}))["clean"].ordinals.tolist() == [6]
    assert without_what_is_over(memory, steps({5: 1, 6: 2})) == memory


@pytest.mark.parametrize("back", [3 * 3600, 400 * DAY])
def test_after_the_clock_was_put_back_nothing_is_held_for_longer_than_its_delay(back: int) -> None:
    memory = with_failures({}, failed({5: 1}), NOW)

    assert held_at(memory, NOW - back, steps({5: 1})) == []


@given(
    st.lists(st.dictionaries(st.integers(0, 20), st.integers(0, 3), min_size=1), max_size=8),
    st.dictionaries(st.integers(0, 20), st.integers(0, 3)),
)
def test_an_account_by_arrays_is_that_by_a_dictionary(
    rounds: list[dict[int, int]], wanted: dict[int, int]
) -> None:
    memory: Memory = {}
    counted: dict[int, tuple[int, int]] = {}
    for digests in rounds:
        memory = with_failures(memory, failed(digests), NOW)
        for ordinal, digest in digests.items():
            known, times = counted.get(ordinal, (digest, 0))
            counted[ordinal] = (digest, times + 1 if known == digest else 1)

    stands = {o: t for o, (d, t) in counted.items() if wanted.get(o) == d}
    kept = without_what_is_over(memory, steps(wanted))

    assert all(np.all(np.diff(tries.ordinals) > 0) for tries in memory.values())
    if not stands:
        assert kept == {}
    else:
        tries = kept["clean"]
        assert dict(zip(tries.ordinals.tolist(), tries.counts.tolist(), strict=True)) == stands
