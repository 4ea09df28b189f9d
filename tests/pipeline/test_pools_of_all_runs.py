"""Pools hold over all runs of a warehouse: two processes at once, and one that is killed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from projects import World

JOBS = """
    import os

    def stamped(name, day):
        with open("stamps", "a") as stamps:
            stamps.write(f"begin {name} {day.key}\\n")
        if os.environ.get("HANGS") == day.key:
            open("gate").read()
        with open("stamps", "a") as stamps:
            stamps.write(f"end {name} {day.key}\\n")
        return pl.DataFrame({"x": [1]})

    a = Dataset("a", Daily("2024-01-01", end="2024-01-06"))
    b = Dataset("b", Daily("2024-01-01", end="2024-01-06"))
    free = Dataset("free", Daily("2024-01-01", end="2024-01-06"))

    @task(writes=a, pool="api")
    def make_a(day: Partition):
        return stamped("a", day)

    @task(writes=b, pool="api")
    def make_b(day: Partition):
        return stamped("b", day)

    @task(writes=free)
    def make_free(day: Partition):
        return stamped("free", day)
"""
COMMAND = """
import sys
from partflow.cli import main
if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
"""


@pytest.fixture
def world(tmp_path) -> World:
    world = World(tmp_path)
    world.write(
        "partflow.toml", f'jobs = ["{world.package}"]\ndurability = "process"\n[pools]\napi = 1\n'
    )
    world.jobs(JOBS)
    return world


def started(world: World, *words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "materialize", *words],
        cwd=world.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


@contextmanager
def hanging(world: World, *words: str) -> Iterator[tuple[subprocess.Popen[str], object]]:
    """A run that hangs in its third step, with a place in the pool, until the gate is closed."""
    os.mkfifo(world.root / "gate")
    with (
        started(world, *words, HANGS="2024-01-03") as process,
        (world.root / "gate").open("w") as gate,
    ):
        try:
            yield process, gate
        finally:
            process.kill()


def until_it_waits(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    told = "waiting for a place in the pool 'api': other runs have all of them\n"
    assert told in iter(process.stderr.readline, "")


def stamps(world: World, *names: str) -> list[list[str]]:
    lines = [line.split() for line in (world.root / "stamps").read_text().splitlines()]
    return [line for line in lines if line[1] in names]


def test_two_runs_have_no_more_calls_at_once_than_the_pool_has_places(world):
    with hanging(world, "a") as (first, gate), started(world, "b") as second:
        until_it_waits(second)
        assert not stamps(world, "b")
        gate.close()
        assert first.communicate()[0].startswith("ran 5, ")
        assert second.communicate()[0].startswith("ran 5, ")
    assert (first.returncode, second.returncode) == (0, 0)
    seen = stamps(world, "a", "b")
    assert len(seen) == 20
    for begin, end in zip(seen[::2], seen[1::2], strict=True):
        assert (begin[0], end[0], begin[1:]) == ("begin", "end", end[1:])


def test_what_a_run_makes_outside_of_a_full_pool_is_made_meanwhile(world):
    with hanging(world, "a") as (_, _), started(world, "b", "free") as second:
        until_it_waits(second)
        assert len(stamps(world, "free")) == 10
        second.kill()


@pytest.mark.parametrize("workers", [(), ("-j", "2")])
def test_a_run_goes_on_when_the_one_that_has_the_places_is_killed(world, workers):
    with hanging(world, "a", *workers) as (first, _), started(world, "b", *workers) as second:
        until_it_waits(second)
        first.kill()
        assert second.communicate()[0].startswith("ran 5, ")
    assert second.returncode == 0


def test_a_run_that_waits_for_a_place_can_be_stopped(world):
    with hanging(world, "a") as (_, _), started(world, "b") as second:
        until_it_waits(second)
        second.send_signal(2)
        assert second.communicate()[0].startswith("ran 0, ")
    assert second.returncode == 130


def test_the_places_are_free_when_a_run_has_ended(world):
    assert world.run("a").ran == 5
    assert world.run("b").ran == 5


def test_a_project_without_pools_has_no_places(world):
    world.write("partflow.toml", f'jobs = ["{world.package}"]\n')
    world.jobs(JOBS.replace(', pool="api"', ""))
    assert world.run("a").ran == 5
    assert not (world.root / "warehouse/.partflow/pools").exists()
