"""What calls have returned is taken out of the caller's hands and stored; it is never changed."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from partflow.declarations.dataset import Dataset
from partflow.declarations.graph import derive
from partflow.declarations.task import task
from partflow.execution.attempt.assignment import Work
from partflow.execution.attempt.sealing import COPIED, Called, Unwritten, secured, stored
from partflow.execution.orders import Attempt, Cost, Failure, Lineage, Order, Output
from partflow.partitions.calendar import Daily
from partflow.store.local import LocalStore
from partflow.warehouse.handover import HandOver


class Refused(pl.DataFrame):
    """A frame that cannot be measured, and so neither copied nor encoded with others."""

    def estimated_size(self, unit="b"):
        raise pl.exceptions.PanicException("out of bounds")


@pytest.fixture
def work(tmp_path):
    out = Dataset("out", Daily("2024-01-01"))
    make = task(name="make", writes=out)(lambda: None)
    attempts = tuple(
        Attempt(i, 19_723 + i, 1, (), Lineage("make", f"2024-01-0{i + 1}", 0, 1, "", "run", 0, ()))
        for i in range(4)
    )
    graph = derive([make], [out])
    store = LocalStore(tmp_path, tmp_path / "warehouse", durable=False)
    return Work(Order("run", "make", attempts), graph, graph.task("make"), store, HandOver(0))


def unwritten(work, position: int, frame: pl.DataFrame) -> Unwritten:
    attempt = work.order.attempts[position]
    return Unwritten(work, attempt, work.task.writes[0], frame, work.staged(attempt, 0), {})


def called(work, *frames: pl.DataFrame) -> Called:
    parts = tuple((unwritten(work, i, frame),) for i, frame in enumerate(frames))
    order = Order("run", "make", work.order.attempts[: len(parts)])
    return Called(order, parts, Cost(seconds=1.0))


def test_what_is_secured_holds_what_was_returned_and_the_call_is_as_it_was(work):
    buffer = np.arange(3.0)
    before = called(work, pl.DataFrame({"x": buffer}))
    after = before.secured()
    buffer[:] = -1
    (outcome,) = after.stored()
    assert pl.read_parquet(work.staged(work.order.attempts[0], 0))["x"].to_list() == [0, 1, 2]
    assert outcome.outputs[0].rows == 3
    assert next(before.unwritten()).frame["x"].to_list() == [-1, -1, -1]
    assert [each.is_ours for each in before.unwritten()] == [False]
    assert after.cost.seconds > before.cost.seconds


def test_what_is_too_large_to_have_twice_is_stored_at_once(work):
    frame = pl.select(x=pl.int_range(COPIED // 8 + 1))
    assert isinstance(secured(unwritten(work, 0, frame)), Output)


def test_what_is_ours_is_not_copied_again(work):
    once = secured(unwritten(work, 0, pl.DataFrame({"x": [1]})))
    assert secured(once) is once


def test_frames_that_are_encoded_together_are_stored_as_each_by_itself(work):
    frames = [pl.DataFrame({"x": [i] * i, "t": ["a"] * i}) for i in range(4)]
    (together,) = stored([called(work, *frames)])
    by_itself = [unwritten(work, i, frame).stored() for i, frame in enumerate(frames)]
    assert [outcome.outputs[0] for outcome in together] == by_itself


def test_a_frame_that_is_refused_costs_its_own_attempt_and_leaves_nothing_staged(work):
    plain = pl.DataFrame({"x": [1]})
    before = called(work, plain, Refused({"x": [2]}), plain)
    for each in (before, before.secured()):
        failures = [outcome.failure for outcome in each.stored()]
        assert [failure and failure.message for failure in failures] == [
            None,
            "PanicException: out of bounds",
            None,
        ]
        assert sorted(path.name for path in (work.store.layout.staging / "run").iterdir()) == [
            "0-0.tmp",
            "2-0.tmp",
        ]


def test_a_call_that_failed_comes_back_as_it_failed(work):
    failure = Failure("it was not to be")
    outcomes = Called(work.order, (failure,) * 4, Cost(seconds=1.0)).secured().stored()
    assert [(each.serial, each.failure) for each in outcomes] == [(i, failure) for i in range(4)]


def test_what_is_stored_beside_the_next_call_costs_it_no_processor_again(work):
    frames = [pl.DataFrame({"x": range(1000)})] * 2
    (beside,) = stored([called(work, *frames)], is_beside=True)
    assert {outcome.cost.cpu for outcome in beside} == {0.0}
    assert all(outcome.cost.seconds > 1.0 for outcome in beside)
