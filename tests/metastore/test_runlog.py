"""The log of runs: what is counted of one that died, graphs that are kept once, who may cancel."""

from __future__ import annotations

import os
import socket
from dataclasses import replace

import pytest

from partflow.errors import PublishError, UsageError
from partflow.metastore.flockleases import FlockLeases
from partflow.metastore.record import Intent, LogLines, Record, StepLog
from partflow.metastore.runlog import RunLog, begun, owner_of
from partflow.metastore.sqlite.metastore import SqliteMetastore
from partflow.operations.cancel import Canceller
from partflow.planning.footprint import Footprint

RUN, OTHER = "20260301-000000-aaaa", "20260301-000001-bbbb"
COMMAND = "partflow materialize"


@pytest.fixture
def log(tmp_path):
    with SqliteMetastore.open(tmp_path / "metastore.sqlite") as metastore:
        yield RunLog(metastore)


def step(key: str, state: str = "made", attempt: int = 1) -> StepLog:
    return StepLog("clean", key, attempt, state, "never", 0.1)


def only(log: RunLog):
    (row,) = log.runs(9, lambda _: False)
    return row


def test_a_run_that_died_is_counted_from_the_last_attempts_at_its_partitions(log):
    log.begin(begun(RUN, COMMAND, 1.0), "{}")
    log.steps_ended(
        RUN,
        2.0,
        [
            step("1"),
            step("2", "failed"),
            step("2", "made", 2),
            step("3", "failed"),
            step("4", "unchanged"),
        ],
    )
    row = only(log)
    assert (row.state, row.finished_at) == ("interrupted", None)
    assert (row.ran, row.unchanged, row.failed) == (3, 1, 1)
    log.cut_off(RUN, 3.0)
    assert only(log) == replace(row, finished_at=3.0)


def test_a_run_that_goes_on_is_counted_too(log):
    log.begin(begun(RUN, COMMAND, 1.0), "{}")
    log.steps_ended(RUN, 2.0, [step("1")])
    (row,) = log.runs(9, lambda run: run == RUN)
    assert (row.state, row.ran, row.pid) == ("running", 1, os.getpid())


def test_attempts_are_written_with_what_they_made_or_not_at_all(tmp_path):
    with SqliteMetastore.open(tmp_path / "metastore.sqlite") as metastore:
        log = RunLog(metastore)
        log.begin(begun(RUN, COMMAND, 1.0), "{}")
        never_claimed = Intent(
            f"{RUN}/0", "clean", "1", 7, None, None, None, Record("clean", "1", 0)
        )
        with pytest.raises(PublishError, match="another run"):
            metastore.commit([never_claimed], LogLines(RUN, 2.0, [step("1")]))
        assert log.steps(RUN) == []


@pytest.fixture
def memory():
    with SqliteMetastore.in_memory() as metastore:
        yield RunLog(metastore)


@pytest.mark.parametrize(
    ("starts", "now", "old"),
    [
        ([1.0, 2.0, 3.0], 9.0, ["0", "1"]),
        ([2.0, 1.0, 3.0], 9.0, ["0", "1"]),  # by the order of recording, it is no older than 0
        ([4.0, 1.0, 2.0], 9.0, []),  # no older than the one before
        ([1.0, 99.0, 2.0], 9.0, ["0", "1", "2"]),  # one from later than now tells no time
        ([99.0, 99.0, 1.0], 9.0, ["2"]),
        ([99.0, 99.0], 1.0, ["0", "1"]),
    ],
)
def test_runs_are_as_old_as_their_order_says(memory, starts, now, old):
    for number, at in enumerate(starts):
        row = begun(str(number), COMMAND, at)
        memory.begin(row, "{}")
        memory.finish(replace(row, finished_at=at, state="done"))
    assert memory.ended_before(2.5, now) == old


def test_a_run_that_goes_on_has_not_ended(memory):
    memory.begin(begun(RUN, COMMAND, 1.0), "{}")
    assert memory.ended_before(9.0, 9.0) == []


def test_the_newest_run_is_not_one_from_later_than_now(memory):
    assert memory.newest_before(9.0) is None
    for number, at in enumerate([1.0, 99.0, 2.0]):
        memory.begin(begun(str(number), COMMAND, at), "{}")
    assert memory.newest_before(9.0) == 2.0


def test_the_keys_of_several_tasks_are_from_the_first_to_the_last(memory):
    memory.steps_ended(RUN, 1.0, [replace(step("3"), task="a"), replace(step("5"), task="b")])
    memory.steps_ended(RUN, 1.0, [replace(step("1"), task="b"), replace(step("9"), task="c")])
    assert memory.keys(["a", "b", "none"]) == ("1", "5")
    assert memory.keys(["none"]) is None
    assert memory.tasks() == ["a", "b", "c"]


def test_an_open_request_goes_on_and_one_that_is_asked_again_begins_anew(memory):
    assert memory.request("backfill", 1.0, again=False) == 1
    memory._metastore.observe([Record("raw", "1", 0, how="observed")], [])
    assert memory.request("backfill", 2.0, again=False) == 1
    assert memory.request("backfill", 3.0, again=True) == 2


def test_equal_graphs_are_kept_once(log):
    for run, graph in ((RUN, "a"), (OTHER, "a"), ("third", "b")):
        log.begin(begun(run, COMMAND, 1.0), graph)
    assert [log.graph(run) for run in (RUN, OTHER, "third", "none")] == ["a", "a", "b", None]
    assert sorted(log.graphs()) == ["a", "b"]


@pytest.mark.parametrize(
    ("state", "cancelled", "note", "said"),
    [
        ("done", 0, "cancelled by ann", "done"),
        ("interrupted", 4, "cancelled by ann", "cancelled"),
        ("failed", 4, "cancelled by ann", "cancelled"),
        ("failed", 0, "cancelled by ann", "failed"),
        ("interrupted", 4, "", "interrupted"),
    ],
)
def test_a_run_was_cancelled_if_somebody_asked_and_something_was_left(
    log, state, cancelled, note, said
):
    row = begun(RUN, COMMAND, 1.0)
    log.begin(row, "{}")
    assert not note or log.annotate(RUN, note)
    log.finish(replace(row, finished_at=2.0, state=state, cancelled=cancelled))
    assert only(log).state == said
    assert not log.annotate(RUN, "too late")


def test_a_run_that_was_killed_by_who_cancelled_it_is_cancelled_for_the_next_one_too(log):
    log.begin(begun(RUN, COMMAND, 1.0), "{}")
    log.annotate(RUN, "cancelled by ann")
    assert only(log).state == "cancelled"
    log.bury([OTHER])
    log.begin(begun(OTHER, COMMAND, 2.0), "{}")
    log.bury([OTHER])
    assert [row.state for row in log.runs(9, {RUN, OTHER}.__contains__)] == ["running", "cancelled"]


# --- who may be cancelled --------------------------------------------------------------------


def refusal(log: RunLog, tmp_path, **changed) -> str:
    """Why a run is not cancelled whose lease nobody but this very process may hold."""
    row = replace(begun(RUN, COMMAND, 1.0), **changed)
    log.begin(row, "{}")
    canceller = Canceller(log, FlockLeases(tmp_path).owner, lambda: 2.0, patience=0.1)
    with pytest.raises(UsageError) as caught:
        canceller.cancel(row)
    assert only(log).note == ""
    return str(caught.value)


def test_a_process_that_holds_no_lease_is_never_signalled(log, tmp_path):
    assert "nothing holds its lease" in refusal(log, tmp_path)


def test_a_process_that_holds_the_lease_for_another_run_is_never_signalled(log, tmp_path):
    with FlockLeases(tmp_path).taken(OTHER, owner_of(OTHER), Footprint()):
        assert "nothing holds its lease" in refusal(log, tmp_path)


def test_a_lease_that_another_process_holds_for_the_run_saves_this_one(log, tmp_path):
    owner = owner_of(RUN).replace(f"process {os.getpid()}", "process 1")
    with FlockLeases(tmp_path).taken(RUN, owner, Footprint()):
        assert "nothing holds its lease" in refusal(log, tmp_path)


def test_a_run_on_another_host_is_to_be_cancelled_there(log, tmp_path):
    with FlockLeases(tmp_path).taken(RUN, owner_of(RUN), Footprint()):
        host = f"not-{socket.gethostname()}"
        assert f"goes on at {host}; cancel it there" in refusal(log, tmp_path, host=host)


def test_the_newest_run_is_the_one_recorded_last_whatever_the_clock_said(log):
    for run, began in ((RUN, 9e9), (OTHER, 2.0)):
        log.begin(begun(run, COMMAND, began), "{}")
        log.steps_ended(run, began, [step("1")])
    assert [row.id for row in log.runs(9, lambda _: True)] == [OTHER, RUN]
    assert [run for run, _ in log.attempts(["clean"], "1")] == [OTHER, RUN]
