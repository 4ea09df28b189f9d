"""The contract of `Runs`, `PastRuns`, `Costs` and `Requests`."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recorded import claimed, published, record

from partflow.metastore.record import LogLines, RunRow, StepLog

STEP = StepLog(
    "clean", "1", 1, "made", "never", 0.5, "said", serial=3, began_at=1.5, cpu=0.25, memory=9,
    rows_in=1, bytes_in=2, rows_out=3, bytes_out=4, worker=5, has_log=True,
)  # fmt: skip


def run(name: str, at: float = 1.0, **rest) -> RunRow:
    given = {"state": "running", "pid": 7, "request": "clean", "graph": "graph of it"} | rest
    return RunRow(
        name, "partflow materialize", at, None, given.pop("state"), 0, 0, 0, 0, 0, "host", "ann",
        **given,
    )  # fmt: skip


def begun(metastore, *rows: RunRow) -> None:
    for row in rows:
        metastore.begin_run(row, f"document of {row.graph}")


def test_a_run_comes_back_as_it_was_begun_and_ended(metastore):
    begun(metastore, run("a"))
    assert metastore.run_rows() == [run("a")]
    end = replace(run("a"), finished_at=9.0, state="done", ran=3, unchanged=1, skipped=2, failed=1,
                  blocked=4, cancelled=0)  # fmt: skip
    metastore.finish_run(end)
    assert metastore.run_rows() == [end]


def test_the_newest_run_is_the_one_that_was_recorded_last_whatever_its_clock_said(metastore):
    begun(metastore, run("b", 50.0), run("a", 10.0), run("c", 30.0))
    assert [row.id for row in metastore.run_rows()] == ["c", "a", "b"]
    assert [row.id for row in metastore.run_rows(2)] == ["c", "a"]
    assert [(name, at) for name, _, at in metastore.run_starts()] == [
        ("b", 50.0),
        ("a", 10.0),
        ("c", 30.0),
    ]


def test_the_runs_since_a_number_are_those_that_made_something_after_it(metastore):
    begun(metastore, run("a"), run("b"), run("idle"))
    published(metastore, record("1", run="a"))
    published(metastore, record("1", 2, run="b"))
    assert [row.id for row in metastore.run_rows(since=0)] == ["b", "a"]
    assert [row.id for row in metastore.run_rows(since=1)] == ["b"]
    assert metastore.run_rows(since=2) == []


def test_a_run_without_a_last_word_is_counted_from_the_last_attempts(metastore):
    begun(metastore, run("a"))
    failed = replace(STEP, state="failed")
    unchanged = replace(STEP, key="3", state="unchanged")
    metastore.log(LogLines("a", 2.0, [failed, replace(STEP, attempt=2), unchanged]))
    metastore.log(LogLines("a", 2.0, [replace(failed, key="2")]))
    (row,) = metastore.run_rows()
    assert (row.ran, row.unchanged, row.failed) == (2, 1, 1)


@pytest.mark.parametrize(
    ("state", "cancelled", "note", "said"),
    [
        ("done", 0, "by ann", "done"),
        ("interrupted", 0, "by ann", "cancelled"),
        ("failed", 4, "by ann", "cancelled"),
        ("failed", 0, "by ann", "failed"),
        ("interrupted", 4, "", "interrupted"),
    ],
)
def test_a_run_was_cancelled_if_there_is_a_note_and_something_was_left(
    metastore, state, cancelled, note, said
):
    begun(metastore, run("a"))
    assert not note or metastore.annotate_run("a", note)
    metastore.finish_run(replace(run("a"), finished_at=2.0, state=state, cancelled=cancelled))
    (row,) = metastore.run_rows()
    assert (row.state, row.note) == (said, note)


def test_what_has_ended_takes_no_note(metastore):
    begun(metastore, run("a"))
    metastore.finish_run(replace(run("a"), finished_at=2.0, state="done"))
    assert not metastore.annotate_run("a", "by ann")
    assert not metastore.annotate_run("none", "by ann")
    assert [row.note for row in metastore.run_rows()] == [""]


def test_the_dead_are_buried_and_the_living_are_not(metastore):
    begun(metastore, run("a"), run("b"), run("c"), run("d"))
    metastore.annotate_run("b", "by ann")
    metastore.finish_run(replace(run("d"), finished_at=2.0, state="done"))
    metastore.bury_runs(["c"])
    states = {row.id: row.state for row in metastore.run_rows()}
    assert states == {"a": "interrupted", "b": "cancelled", "c": "running", "d": "done"}


def test_an_attempt_comes_back_as_it_was_logged(metastore):
    metastore.log(LogLines("a", 2.0, [STEP]))
    assert metastore.steps("a") == [STEP]
    assert metastore.steps("b") == []


def test_attempts_are_told_in_the_order_in_which_they_ended(metastore):
    metastore.log(LogLines("a", 5.0, [replace(STEP, key="1")]))
    metastore.log(LogLines("a", 4.0, [replace(STEP, key="3", serial=2), replace(STEP, key="2")]))
    assert [step.key for step in metastore.steps("a")] == ["3", "2", "1"]


def test_attempts_at_a_partition_are_told_by_run_the_newest_first(metastore):
    begun(metastore, run("a", 9.0), run("b", 1.0))
    other = replace(STEP, task="other")
    metastore.log(LogLines("a", 2.0, [STEP, other, replace(STEP, key="2")]))
    metastore.log(LogLines("b", 3.0, [replace(STEP, attempt=2), STEP]))
    both = [("b", STEP), ("b", replace(STEP, attempt=2)), ("a", STEP)]
    assert metastore.attempts(["clean"], "1") == both
    assert metastore.attempts(["clean", "other"], "1") == [*both, ("a", other)]
    assert metastore.attempts([], "1") == []


def test_of_each_task_that_was_attempted_the_ends_are_told(metastore):
    steps = [replace(STEP, key=key) for key in "352"]
    metastore.log(LogLines("a", 2.0, [*steps, replace(STEP, task="other")]))
    assert metastore.attempted() == {"clean": ("2", "5"), "other": ("1", "1")}


def test_equal_graphs_are_kept_once_and_as_long_as_a_run_had_them(metastore):
    begun(metastore, run("a", graph="x"), run("b", graph="x"), run("c", graph="y"))
    assert sorted(metastore.graphs()) == ["document of x", "document of y"]
    assert metastore.graphs("b") == ["document of x"]
    assert metastore.graphs("none") == []
    metastore.forget_runs(["a", "c"])
    assert metastore.graphs() == ["document of x"]


def test_a_run_is_forgotten_with_its_attempts(metastore):
    begun(metastore, run("a"), run("b"))
    metastore.log(LogLines("a", 2.0, [STEP]))
    metastore.log(LogLines("b", 2.0, [STEP]))
    metastore.forget_runs(["a"])
    assert [row.id for row in metastore.run_rows()] == ["b"]
    assert (metastore.steps("a"), metastore.steps("b")) == ([], [STEP])


def test_lines_are_logged_with_what_they_are_of(metastore):
    one = claimed(metastore, record())
    metastore.commit([one], LogLines("a run", 2.0, [STEP]))
    assert metastore.steps("a run") == [STEP]


def test_a_failure_is_not_recorded_of_what_another_has_claimed_since(metastore):
    claimed(metastore, record("1"), "a run")
    claimed(metastore, record("2"), "a run")
    claimed(metastore, record("2"), "newer")
    metastore.log(LogLines("a run", 2.0), [("clean", "1", "broke"), ("clean", "2", "broke")])
    assert {r.key: r.failure for r in metastore.records("clean")} == {"1": "broke", "2": None}
    assert metastore.failures() == [("clean", "1")]


def test_effects_that_are_not_done_are_ended_with_their_log(metastore):
    metastore.claim("a run", [], [("mail", "1"), ("mail", "2")])
    metastore.log(LogLines("a run", 2.0, ended=[("mail", "1")]))
    assert metastore.begun() == [("mail", "2", "a run")]


def test_a_request_is_open_until_it_is_fulfilled(opened):
    assert opened().open_request("backfill clean") is None
    opened().ask("backfill clean", 4, 1.0)
    assert opened().open_request("backfill clean") == 4
    assert opened().open_request("backfill") is None
    opened().fulfil("backfill clean", 2.0)
    assert opened().open_request("backfill clean") is None


def test_equal_words_ask_in_the_place_of_those_before(metastore):
    metastore.ask("backfill clean", 4, 1.0)
    metastore.ask("backfill clean", 9, 2.0)
    assert metastore.open_request("backfill clean") == 9
    metastore.fulfil("backfill clean", 3.0)
    assert metastore.open_request("backfill clean") is None


def logged(metastore, name: str, *steps: StepLog) -> None:
    begun(metastore, run(name))
    metastore.log(LogLines(name, 5.0, steps))


def test_what_steps_took_is_told_by_the_newest_run_that_made_any(metastore):
    logged(metastore, "old", replace(STEP, seconds=8.0), replace(STEP, task="other", seconds=1.0))
    logged(metastore, "new", replace(STEP, seconds=2.0), replace(STEP, key="2", seconds=4.0))
    failed = replace(STEP, task="other", state="failed", seconds=60.0)
    logged(metastore, "failing", failed)
    assert metastore.took(["clean", "other", "never run"]) == {"clean": 3.0, "other": 1.0}


def test_of_many_steps_the_last_tell_what_they_took(metastore):
    steps = [replace(STEP, key=f"{key:03}", seconds=float(key >= 50)) for key in range(100)]
    logged(metastore, "a", *steps)
    assert metastore.took(["clean"]) == {"clean": 1.0}
