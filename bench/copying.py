"""Times what it costs to copy what tasks return, and what is handed over to their readers.

A task makes days of so many rows (a number, a whole number, a text), and another reads each day and
the six before it. The same project is made by partflow as it is, and by one that keeps the caller's
memory and hands out its own, as it did once; both in one process, in turns, each in a fresh folder.

    python bench/copying.py
    python bench/copying.py --rows 1000000 --days 12 --rounds 3
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import polars as pl

from partflow import Project
from partflow.execution.attempt import sealing
from partflow.warehouse import reading

JOBS = """
import numpy as np
import polars as pl
from partflow import Daily, Dataset, Partition, task

DAYS = Daily("2020-01-01", "LAST")
made = Dataset("made", DAYS)
week = Dataset("week", DAYS)
NUMBERS = np.random.default_rng(0).random(ROWS)


@task(writes=made)
def make(partition: Partition) -> pl.DataFrame:
    shop = pl.Series([f"shop number {n % 50}" for n in range(min(ROWS, 50))])
    whole = pl.int_range(ROWS, eager=True)
    return pl.DataFrame({"x": NUMBERS, "n": whole, "shop": shop.gather(whole % shop.len())})


@task(reads=[made.window(-6, 0)], writes=week)
def add_up(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.group_by("shop").agg(pl.col("n").sum())
"""


@dataclass(frozen=True, slots=True)
class Shared:
    """What stands for a copy where there is none."""

    frame: pl.DataFrame

    @property
    def nbytes(self) -> int:
        """How large it is in memory."""
        return int(self.frame.estimated_size())

    def copy(self) -> pl.DataFrame:
        """The frame, over the same memory."""
        return self.frame.clone()


@contextmanager
def sharing() -> Iterator[None]:
    """Let frames be shared instead of copied."""
    with mock.patch.object(sealing, "pack", Shared), mock.patch.object(reading, "pack", Shared):
        yield


def made(folder: Path, jobs: str, *, is_sharing: bool) -> tuple[float, float]:
    """Wall and processor time of making everything in a folder, in seconds."""
    folder.mkdir()
    (folder / "partflow.toml").write_text('jobs = ["copying_jobs"]\n')
    (folder / "copying_jobs.py").write_text(jobs)
    sys.modules.pop("copying_jobs", None)
    project = Project.load(folder)
    wall, cpu = time.perf_counter(), time.process_time()
    if is_sharing:
        with sharing():
            done = project.materialize()
    else:
        done = project.materialize()
    assert done.summary is not None
    assert not done.summary.failed
    return time.perf_counter() - wall, time.process_time() - cpu


def parsed() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=240)
    parser.add_argument("--days", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def main() -> None:
    """Take turns, and print the medians and their ratio."""
    args = parsed()
    last = pl.date_range(
        pl.date(2020, 1, 1), pl.date(2020, 1, 1) + pl.duration(days=args.days), eager=True
    ).last()
    jobs = JOBS.replace("ROWS", str(args.rows)).replace("LAST", str(last))
    taken: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    with tempfile.TemporaryDirectory() as root:
        for number in range(args.rounds + 1):
            for is_sharing in (False, True) if number % 2 else (True, False):
                folder = Path(root) / f"{number}-{is_sharing}"
                times = made(folder, jobs, is_sharing=is_sharing)
                if number:  # the first is not counted: it imports and warms up
                    taken[is_sharing].append(times)
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors")
    print(f"{args.rows:,} rows a day, {args.days} days, medians of {args.rounds}")
    for i, name in enumerate(("wall", "cpu")):
        copying, sharing_ = (
            statistics.median(each[i] for each in taken[key]) for key in (False, True)
        )
        ratios = [a[i] / b[i] for a, b in zip(taken[False], taken[True], strict=True)]
        print(
            f"{name}: copied {copying:.2f} s, shared {sharing_:.2f} s; "
            f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )


if __name__ == "__main__":
    main()
