"""Which orders are worth a worker process, and how many workers the rest is worth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from partflow.execution.pace import SMALL, WARM_UP, WORTH, Forecast, Pace


def pace(steps=100, seconds=None, at_once=1):
    return Pace(Forecast({"t": steps}, {"t": at_once}, {} if seconds is None else {"t": seconds}))


def test_steps_of_which_nothing_is_known_are_not_small_and_worth_no_worker_yet():
    assert not pace().is_small("t", 1)
    assert pace().workers() == 0


def test_steps_that_took_little_in_earlier_runs_are_small():
    assert pace(seconds=SMALL / 2).is_small("t", 1)
    assert pace(seconds=SMALL / 2).workers() == 0


def test_a_batch_of_small_steps_is_not_small():
    assert not pace(seconds=SMALL / 2).is_small("t", 31)
    assert pace(steps=1000, seconds=SMALL / 2, at_once=31).workers() == pytest.approx(
        1000 * SMALL / 2 / WORTH
    )


def test_what_is_left_at_the_end_of_batches_is_small_again():
    of_batches = pace(steps=32, seconds=SMALL / 2, at_once=31)
    of_batches.ended("t", 31, 31 * SMALL / 2)
    assert of_batches.workers() == 0


def test_what_has_ended_is_worth_no_worker():
    long = pace(steps=10, seconds=3.0)
    assert long.workers() == 30 / WORTH
    long.ended("t", 9, 27.0)
    assert long.workers() == 3 / WORTH


def test_two_steps_of_a_task_tell_what_they_take():
    first = pace(steps=100)
    first.ended("t", 1, 2.0)
    assert not first.is_known("t")
    first.ended("t", 1, 2.0)
    assert first.workers() == pytest.approx(98 * 2.0 / WORTH)


def test_a_first_call_that_imports_libraries_tells_little():
    first = pace(steps=100)
    first.ended("t", 1, WARM_UP)
    assert first.workers() == 0
    first.ended("t", 1, SMALL / 4)
    assert first.is_small("t", 1)


def test_a_first_call_that_takes_longer_than_imports_is_worth_workers():
    first = pace(steps=101)
    first.ended("t", 1, WARM_UP + 3.0)
    assert first.workers() == pytest.approx(100 * 3.0 / WORTH)


def test_a_step_that_goes_on_and_on_is_worth_workers_before_it_ends():
    unknown = pace(steps=10)
    unknown.lasts("t", 1, WARM_UP + 0.5)
    assert unknown.workers() == pytest.approx(10 * 0.5 / WORTH)
    assert not unknown.is_known("t")
    unknown.ended("t", 1, 0.001)
    assert unknown.workers() == 0


def test_a_task_that_was_small_and_is_no_more_is_found_out():
    grown = pace(steps=10, seconds=SMALL / 10)
    for _ in range(3):
        grown.ended("t", 1, 10.0)
    assert not grown.is_small("t", 1)


def test_one_step_that_took_long_makes_small_ones_no_longer():
    small = pace(steps=10, seconds=SMALL / 10)
    small.ended("t", 1, 10.0)
    assert small.is_small("t", 1)


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 1000)),
    st.dictionaries(st.sampled_from("abc"), st.floats(0, 100)),
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 50), st.floats(0, 100))),
)
def test_the_rest_is_worth_no_more_workers_than_its_work(steps, seconds, events):
    judged = Pace(Forecast(steps, {}, seconds))
    for task, ended, took in events:
        judged.ended(task, ended, took)
    most = max([*seconds.values(), *(took for _, _, took in events)], default=0.0)
    assert 0 <= judged.workers() <= sum(steps.values()) * most / WORTH + 1e-6


def test_all_steps_that_ended_leave_nothing_to_do():
    many = pace(steps=5, seconds=1.0)
    many.ended("t", 7, 7.0)  # steps that were tried again end more often than they are planned
    assert many.workers() == 0
