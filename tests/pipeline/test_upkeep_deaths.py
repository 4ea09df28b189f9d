"""Putting back or rebuilding is killed in the middle: what is there is whole all the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import polars as pl
import pytest

from partflow.errors import MetastoreError
from partflow.execution.controls import Controls
from partflow.store.failpoints import VARIABLE

DAY = "2024-01-01"
KILLED = -signal.SIGKILL


@pytest.fixture
def pair(world):
    """Two outputs of one step, made from 1 and then from 2."""
    world.jobs("""
    landing = Source("landing", Daily("2024-01-01", end="2024-01-02"), path="landing/{key}.csv")
    ones = Dataset("ones", Daily("2024-01-01", end="2024-01-02"))
    twos = Dataset("twos", Daily("2024-01-01", end="2024-01-02"))

    @task(reads=[landing], writes=(ones, twos))
    def both(raw: pl.DataFrame):
        return raw.select("qty"), raw.select(pl.col("qty") * 2)
    """)
    for number in (1, 2):
        world.write(f"landing/{DAY}.csv", f"qty\n{number}\n")
        world.run()
    return world


def call(world, *words, armed=""):
    command = [sys.executable, "-m", "partflow", "--project", str(world.root), *words]
    environment = {**os.environ, VARIABLE: armed} if armed else None
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode


def values(world):
    files = (world.file(name, DAY) for name in ("ones", "twos"))
    return tuple(pl.read_parquet(f, hive_partitioning=False)["qty"].item() for f in files)


@pytest.mark.parametrize(
    ("point", "after"),
    [
        ("sealed:2", (2, 4)),
        ("kept", (2, 4)),
        ("renamed", (1, 2)),
        ("journaled", (1, 2)),
    ],
)
def test_a_step_is_put_back_whole_or_not_at_all(pair, point, after):
    words = ("rollback", "ones", "-p", DAY, "--yes")
    assert call(pair, *words, armed=f"{point}=kill") == KILLED
    assert values(pair) in {(2, 4), (1, 4), (1, 2)}
    assert pair.run().ran == 0
    assert values(pair) == after
    with pair.metastore() as metastore:
        assert metastore.intents() == []
        pinned = {metastore.records(n, DAY)[0].pinned for n in ("ones", "twos")}
    assert pinned == {after == (1, 2)}
    assert call(pair, *words) == 0
    assert values(pair) == ((1, 2) if after == (2, 4) else (2, 4))


def test_a_rebuild_that_is_cut_off_leaves_no_metastore_and_the_next_one_makes_it(pair):
    path = pair.project.history.metastore.path
    assert call(pair, "state", "rebuild", "--yes", armed="set_aside=kill") == KILLED
    assert path.with_suffix(".replaced1").exists()
    with pytest.raises(MetastoreError, match="state rebuild"):
        pair.project.plan()
    pair.project.upkeep.rebuild(Controls())
    assert pair.run().ran == 0


@pytest.mark.parametrize("point", ["shortened", "journal_replaced"])
def test_a_record_that_was_being_thinned_says_what_it_said(pair, point):
    (pair.root / "partflow.toml").write_text(f'jobs = ["{pair.package}"]\nruns_kept = "0s"\n')
    for _ in range(5):
        pair.project.upkeep.pause(["ones"], None, "a line that the next one replaces")
        pair.project.upkeep.resume(["ones"])
    assert call(pair, "gc", "--yes", armed=f"{point}=kill") == KILLED
    assert pair.run().ran == 0
    assert call(pair, "gc", "--yes") == 0
    project = pair.project
    assert project.upkeep.sweep(Controls(), dry_run=True).is_empty
    (project.history.metastore.path).unlink()
    assert project.upkeep.rebuild(Controls()).unknown == ()
    assert pair.run().ran == 0
