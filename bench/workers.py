"""Times `-j 2` beside `-j 1`, where two workers help and where they cannot.

Each project is made from nothing, with one worker and with two by turns, a process each. The goal
is at most 1.05 of the time by the clock, and at most 1.2 of the processor's, and half a second of
that for each worker begun. Where one worker does better alone, none should be begun.

    python bench/workers.py
    python bench/workers.py --only ticks,chain --rounds 3
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from overhead import Took, partflow, timed

HERE = Path(__file__).parent
TICKS = """
import polars as pl
from partflow import Dataset, Hourly, Partition, task

ticks = Dataset("ticks", Hourly("2000-01-01", end="2000-03-24T08"), schema={"x": pl.Int64})

@task(writes=ticks)
def tick() -> pl.DataFrame:
    return pl.DataFrame({"x": [1]})
"""
BATCHED = (
    TICKS.partition("@task")[0]
    + """
@task(writes=ticks, batch=500)
def tick(partition: Partition) -> pl.DataFrame:
    hours = pl.datetime_range(
        partition.start, partition.end, "1h", closed="left", time_zone="UTC", eager=True
    )
    return pl.DataFrame({"x": 1, "hour": hours})
"""
)
CHAIN = """
import polars as pl
from partflow import Daily, Dataset, task

DAYS = Daily("2020-01-01", end="2021-06-01")
sums = Dataset("sums", DAYS, schema={"total": pl.Int64})

@task(reads=[sums.previous().optional()], writes=sums)
def add(before: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame({"total": [before["total"].sum() + 1]})
"""
LARGE = """
import numpy as np
import polars as pl
from partflow import Dataset, Whole, task

@task(writes=Dataset("sorted", Whole()))
def sort() -> pl.DataFrame:
    numbers = np.random.default_rng(0).integers(0, 10**9, 8_000_000)
    return pl.DataFrame({"n": numbers}).sort("n")
"""


def of_text(text: str) -> Callable[[Path], None]:
    """Makes a project of one module."""

    def make(root: Path) -> None:
        (root / "jobs").mkdir(parents=True)
        (root / "jobs/__init__.py").write_text("")
        (root / "jobs/tasks.py").write_text(text)
        (root / "partflow.toml").write_text('jobs = ["jobs"]\n')

    return make


def flagship(root: Path) -> None:
    """The demand forecast, with its data."""
    shutil.copytree(HERE.parent / "jobs", root / "jobs", ignore=shutil.ignore_patterns("__pyc*"))
    (root / "partflow.toml").write_text('jobs = ["jobs"]\n')


PROJECTS: dict[str, Callable[[Path], None]] = {
    "ticks": of_text(TICKS),
    "ticks-batch": of_text(BATCHED),
    "chain": of_text(CHAIN),
    "large": of_text(LARGE),
    "flagship": flagship,
}


def taken(root: Path, rounds: int) -> dict[int, list[Took]]:
    """What each number of workers took in each round; the first round is not counted."""
    took: dict[int, list[Took]] = {1: [], 2: []}
    for n in range(rounds + 1):
        for jobs in (1, 2) if n % 2 else (2, 1):
            run = timed(root, partflow(f"-j {jobs}", "-j", str(jobs)))
            if n:
                took[jobs].append(run)
    return took


def line(name: str, took: dict[int, list[Took]]) -> str:
    """The ratios of medians, and the medians themselves."""
    wall, cpu = (
        [statistics.median(getattr(run, of) for run in runs) for runs in took.values()]
        for of in ("wall", "cpu")
    )
    memory = max(run.memory for runs in took.values() for run in runs)
    return (
        f"{name:12}{wall[1] / wall[0]:10.2f}{cpu[1] / cpu[0]:10.2f}{wall[0]:9.2f} s"
        f"{wall[1]:9.2f} s{cpu[0]:9.2f} s{cpu[1]:9.2f} s{memory / 1e6:8.0f} MB"
    )


def main() -> None:
    """Make each project, run it with one worker and with two, print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", metavar="NAME,...", help=f"of {', '.join(PROJECTS)}")
    given = parser.parse_args()
    names = given.only.split(",") if given.only else list(PROJECTS)
    if set(names) - set(PROJECTS):
        sys.exit(f"no project: {', '.join(sorted(set(names) - set(PROJECTS)))}")
    print(
        f"-j 2 to -j 1, medians of {given.rounds}; Python {platform.python_version()}, "
        f"{os.cpu_count()} cores\n"
        f"{'':12}{'wall':>10}{'CPU':>10}{'wall 1':>11}{'wall 2':>11}{'CPU 1':>11}{'CPU 2':>11}"
    )
    with tempfile.TemporaryDirectory(prefix="partflow-workers-", ignore_cleanup_errors=True) as top:
        for name in names:
            root = Path(top) / name
            PROJECTS[name](root)
            print(line(name, taken(root, given.rounds)), flush=True)


if __name__ == "__main__":
    main()
