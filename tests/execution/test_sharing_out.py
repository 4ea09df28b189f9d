"""Which steps are sent to worker processes, by what the log says that they took."""

from __future__ import annotations

import pytest

from partflow.execution.controls import Controls

JOBS = """
import os
import time

GRAIN = Daily("2024-01-01", "2024-01-13")
raw = Source("raw", Whole(), path="raw.csv", schema={"seconds": pl.Float64})
made = Dataset("made", GRAIN)
seen = []

@task(reads=[raw], writes=made)
def make(raw: pl.DataFrame, partition: Partition) -> pl.DataFrame:
    seconds = raw["seconds"][0]
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass
    if seconds < 0:
        os._exit(7)
    return pl.DataFrame({"day": [partition.date.day], "of": [seconds]})
"""
STEPS = 12


@pytest.fixture
def slow(world):
    """Makes the steps anew, each of which takes so many seconds; by which workers."""
    world.jobs(JOBS)

    def ran(seconds: float, **options) -> list[int]:
        (world.root / "raw.csv").write_text(f"seconds\n{seconds}\n")
        result = world.project.materialize(controls=Controls(workers=2, **options))
        assert result.summary is not None
        return [step.worker for step in world.project.steps(result.summary.run)]

    return ran


def test_steps_that_took_little_in_the_last_run_are_made_by_the_coordinator(slow):
    first, second = slow(0.0), slow(0.001)
    assert first[:2] == [1, 1], "nothing was known of them"
    assert second == [0] * STEPS


def test_steps_of_other_code_than_took_little_go_to_workers_first(slow, world):
    slow(0.0)
    world.jobs(JOBS.replace("seconds < 0", "seconds < 1"))
    assert slow(0.0, retries=0).count(0) == 0, "it ends its process now"


def test_steps_that_took_long_are_shared_out(slow):
    slow(0.5)
    assert set(slow(0.4)) == {1, 2}


def test_a_run_that_takes_less_than_a_worker_costs_begins_none(slow, world):
    slow(0.03)
    assert slow(0.025) == [0] * STEPS, "12 steps of 30 ms are 0.4 s"


def test_steps_of_which_nothing_is_known_may_end_their_process(slow, world):
    assert all(slow(-1.0, retries=0))
    assert world.project.status()[1].counts  # the coordinator has lived on
