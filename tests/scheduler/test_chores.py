"""What a child does beside looks and runs: once a day it sweeps what nobody needs."""

from __future__ import annotations

import os
from pathlib import Path

from projects import World

from partflow.planning.footprint import EVERYTHING
from partflow.scheduler.chores import Chores, is_older_than_a_day
from partflow.scheduler.lookout import Lookout


def chores(world: World) -> tuple[Chores, Path, Path]:
    """The chores of a project, what marks a sweep, and something that is to be swept."""
    project = world.project
    staged = project.store.layout.staging / "20200101-000000-dead/1-0.tmp"
    staged.parent.mkdir(parents=True)
    staged.write_text("x")
    marker = project.store.layout.serving / "swept"
    return Chores(project, Lookout.of(project, "g")), marker, staged


def test_it_sweeps_once_a_day(sales: World) -> None:
    sales.run()
    mine, marker, staged = chores(sales)
    mine.tidy()
    assert not staged.exists()
    assert marker.exists()

    staged.parent.mkdir(parents=True, exist_ok=True)
    staged.write_text("x")
    mine.tidy()
    assert staged.exists(), "it was swept today"

    yesterday = marker.stat().st_mtime - 100_000
    os.utime(marker, (yesterday, yesterday))
    mine.tidy()
    assert not staged.exists()


def test_beside_another_run_the_sweep_waits_for_the_next_time(sales: World) -> None:
    sales.run()
    mine, marker, staged = chores(sales)
    with sales.project.history.leases.taken("1", "run 1 of somebody", EVERYTHING):
        mine.tidy()

    assert staged.exists()
    assert not marker.exists()


def test_where_nothing_was_run_there_is_nothing_to_sweep(sales: World) -> None:
    mine, marker, _ = chores(sales)
    mine.tidy()

    assert not marker.exists()


def test_a_mark_that_lies_ahead_counts_as_old(tmp_path: Path) -> None:
    marker = tmp_path / "swept"
    assert is_older_than_a_day(marker, 0.0)
    marker.touch()
    at = marker.stat().st_mtime
    assert not is_older_than_a_day(marker, at + 86_399)
    assert is_older_than_a_day(marker, at + 86_401)
    assert is_older_than_a_day(marker, at - 1)
