"""Failures are alike if they differ only by paths, and a task that fails alike is counted."""

from __future__ import annotations

import pytest

from partflow.execution.alike import Row, likeness
from partflow.execution.controls import Failed
from partflow.execution.orders import Failure


def failed(message: str, key: str = "2024-01-03", task: str = "clean", place: str = "a.py:1"):
    return Failed(task, "clean", key, Failure(message, place))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("no column x in landing/2024-01-03.csv", "no column x in landing/2024-01-04.csv"),
        ("/w/.partflow/staging/r/17.tmp: full", "/w/.partflow/staging/r/3.tmp: full"),
        ("clean@2024-01-03 has no rows", "clean@2024-01-04 has no rows"),
    ],
)
def test_paths_and_the_partitions_own_key_are_no_difference(first, second):
    assert likeness(failed(first)) == likeness(failed(second, key="2024-01-04"))


@pytest.mark.parametrize(
    "other",
    [failed("no column y"), failed("no column x", task="other"), failed("no column x", place="b")],
    ids=["message", "task", "place"],
)
def test_another_message_task_or_place_is_another_failure(other):
    assert likeness(failed("no column x")) != likeness(other)


def test_a_task_is_at_its_limit_once_after_so_many_equal_failures_in_a_row():
    row = Row(3)
    assert [row.failed(failed("no")) for _ in range(5)] == [False, False, True, False, False]


def test_a_success_or_another_failure_begins_the_count_anew():
    row = Row(2)
    assert not row.failed(failed("no"))
    row.succeeded("clean")
    assert not row.failed(failed("no"))
    assert not row.failed(failed("not"))
    assert not row.failed(failed("not", task="other"))
    assert row.failed(failed("not"))
