"""A clock that is wrong is heard, and what was recorded while it was does no lasting harm."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from worlds import moment

from partflow.errors import ClockError
from partflow.execution.controls import Controls
from partflow.metastore.runlog import RunLog
from partflow.planning.planner import Reason
from partflow.planning.selection import Asked

JOBS = """
days = Daily("2024-01-01")
out = Dataset("out", days, schema={"day": pl.String})
total = Dataset("total", Whole())

@task(writes=out, settles_after="1d", refresh_every="6h")
def ask(partition: Partition) -> pl.DataFrame:
    return pl.DataFrame({"day": [partition.key]})

@task(reads=[out], writes=total)
def count(rows: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({"n": [rows.height]})

@effect(reads=[out])
def send(rows: pl.DataFrame, partition: Partition) -> None:
    with open("sent.txt", "a") as file: file.write(partition.key + "\\n")
"""


@pytest.fixture
def clock(world):
    """A project whose clock stands at `at`; `run` carries its plan out."""
    world.jobs(JOBS)

    def at(text: str):
        project = world.project
        project.clock = lambda: moment(text)
        return project

    def run(text: str, **how: object):
        return at(text).materialize(controls=Controls(**how))

    return SimpleNamespace(
        at=at, run=run, sent=lambda: (world.root / "sent.txt").read_text().split(), world=world
    )


def test_a_clock_behind_the_last_record_is_a_fault_and_nothing_is_made(clock):
    clock.run("2024-01-06T12:00")
    files = clock.world.data_files()
    with pytest.raises(ClockError, match=r"the clock is 4 days behind the last record, of 2024-01"):
        clock.run("2024-01-02T12:00")
    after = clock.world.data_files()
    assert {p: f for p, f in after.items() if p.endswith(".parquet")} == {
        p: f for p, f in files.items() if p.endswith(".parquet")
    }
    assert clock.sent() == ["2024-01-05"]
    (fault,) = clock.at("2024-01-02T12:00").plan("out").faults
    assert (fault.dataset, fault.key, fault.file) == ("", "", "")
    assert "--trust-clock" in fault.advice
    assert clock.at("2024-01-06T13:00").plan().faults == ()


def test_two_machines_whose_clocks_differ_by_a_little_are_not_at_fault(clock):
    clock.run("2024-01-06T12:00")
    assert clock.run("2024-01-06T11:56").faults == ()


def put_back(clock, at):
    clock.at(at).backfill(asked=Asked(("out",), keys=("2024-01-05",)))
    upkeep = clock.at(at).upkeep
    oldest = upkeep.kept("out", "2024-01-05")[-1]
    upkeep.rollback("out", "2024-01-05", oldest.number, Controls())


def release(clock, at):
    put_back(clock, at)
    clock.at(at).upkeep.release("out", "2024-01-05", Controls())


def vouch(clock, at):
    path = clock.world.root / clock.world.package / "tasks.py"
    path.write_text(path.read_text().replace("[partition.key]", "[str(partition.key)]"))
    clock.at(at).accept("out")


@pytest.mark.parametrize("act", [put_back, release, vouch])
def test_a_clock_that_is_behind_is_a_fault_whatever_of_before_was_recorded_since(clock, act):
    clock.run("2024-01-06T12:00")
    clock.world.jobs(JOBS.replace("[partition.key]", "[partition.key + '!']"))
    clock.run("2024-02-06T12:00")
    clock.world.jobs(JOBS)
    act(clock, "2024-02-06T13:00")
    with pytest.raises(ClockError, match="behind the last record, of 2024-02-06"):
        clock.run("2024-01-10T12:00")
    assert clock.at("2024-02-06T14:00").plan().faults == ()


def test_what_was_recorded_ahead_and_accepted_since_is_no_fault(clock):
    clock.run("2024-03-06T12:00")
    clock.run("2024-01-06T12:00", trust_clock=True)
    vouch(clock, "2024-01-06T12:01")
    assert clock.run("2024-01-06T12:02").faults == ()


@pytest.mark.parametrize("later", ["2024-01-06T12:00", "2024-01-05T12:00"])
def test_a_clock_that_was_ahead_once_is_forgotten_when_somebody_says_that_it_is_right(clock, later):
    clock.run("2024-03-06T12:00")
    with pytest.raises(ClockError):
        clock.run(later)
    assert clock.run(later, trust_clock=True).faults == ()
    assert clock.run(later).faults == ()


def test_what_was_made_by_a_clock_that_was_ahead_is_refreshed(clock):
    clock.run("2024-03-06T12:00")
    clock.run("2024-01-06T12:00", trust_clock=True)
    assert ("ask", "2024-01-05") in clock.world.made()
    assert clock.run("2024-01-06T12:01").summary is None
    planned = clock.at("2024-01-06T18:30").plan().tasks["ask"]
    assert planned.reason.tolist()[-1] == Reason.REFRESH


def test_an_effect_first_seen_by_a_clock_that_was_ahead_goes_on_from_now(clock):
    clock.run("2024-03-06T12:00")
    clock.run("2024-01-06T12:00", trust_clock=True)
    clock.run("2024-01-09T12:00")
    assert clock.sent() == ["2024-03-05", "2024-01-05", "2024-01-06", "2024-01-07", "2024-01-08"]
    clock.at("2024-01-09T12:00").upkeep.rebuild(Controls())
    clock.run("2024-01-11T12:00")
    assert clock.sent()[-2:] == ["2024-01-09", "2024-01-10"]


def test_a_clock_that_is_ahead_sweeps_no_runs(clock):
    clock.run("2024-01-06T12:00")
    clock.run("2024-01-07T12:00")
    assert clock.at("2025-01-07T12:00").upkeep.sweep(Controls(), dry_run=False).runs == 0
    clock.run("2024-06-07T12:00")
    assert clock.at("2024-06-07T12:00").upkeep.sweep(Controls(), dry_run=False).runs == 2


def test_where_times_disagree_runs_are_as_old_as_those_before_them(clock):
    clock.run("2024-06-06T12:00")
    clock.run("2023-01-06T12:00", trust_clock=True)  # a battery was empty
    clock.run("2026-01-06T12:00", trust_clock=True)  # and set to something
    clock.run("2024-06-07T12:00", trust_clock=True)
    project = clock.at("2024-06-08T12:00")
    assert project.upkeep.sweep(Controls(), dry_run=False).runs == 0
    with clock.world.metastore() as metastore:
        assert len(RunLog(metastore).runs(9, lambda _: False)) >= 3
