"""Times batches beside one by one, for partitions of several sizes: processor, wall and memory.

Each day's file has so many rows (two numbers and a text), of which a task makes as many. Each run
is a process of its own that starts without anything made; batches and one by one take turns.

    python bench/batches.py
    python bench/batches.py --rows 200000 --rounds 5
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

FIRST = dt.date(2024, 1, 1)
BATCH = 31
JOBS = """
import polars as pl
from partflow import Daily, Dataset, Source, task

DAYS = Daily("2024-01-01", "LAST")
landing = Source("landing", DAYS, path="landing/{key}.parquet")
made = Dataset("made", DAYS)


@task(reads=[landing], writes=made, batch=BATCH)
def make(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(twice=pl.col("x") * 2)
"""
RUN = """
import resource, time
from partflow import Project
from partflow.execution.controls import Controls
project = Project.load(".")
wall, cpu = time.perf_counter(), time.process_time()
summary = project.materialize(controls=Controls(batch_size=SIZE)).summary
assert not summary.failed
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(time.perf_counter() - wall, time.process_time() - cpu, peak / 1024)
"""


def landed(root: Path, rows: int, days: int) -> None:
    """The project, with a file for each day."""
    (root / "landing").mkdir()
    (root / "partflow.toml").write_text('jobs = ["batches_jobs"]\ndurability = "process"\n')
    last = str(FIRST + dt.timedelta(days=days))
    (root / "batches_jobs.py").write_text(
        JOBS.replace("LAST", last).replace("batch=BATCH", f"batch={BATCH}")
    )
    chance = np.random.default_rng(0)
    shops = pl.Series("shop", [f"shop number {i}" for i in range(50)])
    frame = pl.DataFrame({"x": chance.random(rows), "n": chance.integers(0, 1000, rows)})
    frame = frame.with_columns(shops.gather(chance.integers(0, 50, rows)))
    for i in range(days):
        frame.write_parquet(root / f"landing/{FIRST + dt.timedelta(days=i)}.parquet")


def run(root: Path, size: int) -> tuple[float, float, float]:
    """Wall and processor time in seconds, and the most memory in MiB."""
    shutil.rmtree(root / "warehouse", ignore_errors=True)
    command = [sys.executable, "-c", RUN.replace("SIZE", str(size))]
    said = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    wall, cpu, peak = (float(word) for word in said.split())
    return wall, cpu, peak


def main() -> None:
    """Print, for each size, what batches take beside one by one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1000, 50_000, 200_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    print(f"{os.cpu_count()} processors, medians of {args.rounds}; batches of {BATCH} at most")
    for rows in args.rows:
        days = max(10, min(124, 6_000_000 // rows))
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            landed(root, rows, days)
            took: dict[int, list[tuple[float, float, float]]] = {1: [], BATCH: []}
            for _ in range(args.rounds):
                for size, found in took.items():
                    found.append(run(root, size))
        medians = {
            size: [statistics.median(each[i] for each in found) for i in range(3)]
            for size, found in took.items()
        }
        print(f"{rows:,} rows a day, {days} days, batches to one by one:")
        for i, name in enumerate(("wall, s", "cpu, s", "memory, MiB")):
            one, batch = medians[1][i], medians[BATCH][i]
            print(f"  {name}: {batch:.2f} to {one:.2f}, {batch / one:.2f}")


if __name__ == "__main__":
    main()
