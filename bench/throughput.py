"""Times steps that do nothing: planning, executor and publishing, for a thousand and for many.

A task without reads returns one tiny frame for each hour; every run is a process of its own that
starts without anything made. Steps a second are those of the run, from planning to the last record;
loading the project and starting Python are in the wall time only. The memory is the coordinator's
high-water mark, without its workers.

    python bench/throughput.py
    python bench/throughput.py --steps 1000 --jobs 1 --durability process
    python bench/throughput.py --batch 500

The last is that of a task which makes so many hours in one call.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from overhead import cleared, environment

GOAL = 2000
MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024
JOBS = """
import polars as pl
from partflow import Dataset, Hourly, Partition, task

ticks = Dataset("ticks", Hourly("2000-01-01", end="{end}"), schema={{"x": pl.Int64}})
ONE = pl.DataFrame({{"x": [1]}})

@task(writes=ticks)
def tick() -> pl.DataFrame:
    return ONE
"""
BATCH = """
@task(writes=ticks, batch={batch})
def tick(partition: Partition) -> pl.DataFrame:
    hours = pl.datetime_range(
        partition.start, partition.end, "1h", closed="left", time_zone="UTC", eager=True
    )
    return pl.DataFrame({{"x": 1, "hour": hours}})
"""


def written(root: Path, steps: int, batch: int) -> None:
    """A project of one task over so many hours."""
    seconds = time.gmtime(946_684_800 + steps * 3600)  # from 2000-01-01
    text = JOBS.format(end=time.strftime("%Y-%m-%dT%H:00", seconds))
    if batch:
        text = text.partition("@task")[0] + BATCH.format(batch=batch)
    (root / "jobs").mkdir(parents=True)
    (root / "jobs/__init__.py").write_text("")
    (root / "jobs/ticks.py").write_text(text)
    (root / "partflow.toml").write_text("")


def run_here(root: str, workers: int) -> None:
    """Materialize in this process, and print what it took as JSON."""
    from partflow.execution.controls import Controls
    from partflow.project.project import Project

    project = Project.load(root)
    began, cpu = time.perf_counter(), of_processor()
    summary = project.materialize(controls=Controls(workers=workers)).summary
    seconds, cpu = time.perf_counter() - began, of_processor() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MEMORY_UNIT
    assert summary is not None
    print(json.dumps({"ran": summary.ran, "seconds": seconds, "cpu": cpu, "peak": peak}))


def of_processor() -> float:
    """The seconds of the processor that this process and its ended workers have taken."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def measured(root: Path, workers: int, durability: str) -> dict[str, float]:
    """One run from nothing made, with the wall seconds of its process."""
    cleared(root)
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--here", str(root), "--jobs", str(workers)],
        env=environment() | {"PARTFLOW_DURABILITY": durability},
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.perf_counter() - began
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found | {"wall": wall}


def report(steps: int, workers: int, found: list[dict[str, float]]) -> float:
    """A line of medians; the coordinator's memory in bytes."""
    if any(each["ran"] != steps for each in found):
        sys.exit(f"of {steps:,} steps only {found[0]['ran']:,} ran")
    seconds, wall, peak, cpu = (
        statistics.median(each[what] for each in found)
        for what in ("seconds", "wall", "peak", "cpu")
    )
    rate = steps / seconds
    print(
        f"{steps:>9,} steps  -j {workers}  {rate / GOAL:5.2f} of the goal  {rate:8,.0f} a second  "
        f"{cpu / steps * 1e3:6.2f} ms of CPU a step  {seconds:8.2f} s  "
        f"{wall:8.2f} s the process  {peak / 1e6:6.0f} MB",
        flush=True,
    )
    return peak


def parsed() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", default="1000,100000", help="how many, with commas")
    parser.add_argument("--jobs", default="1,2", help="workers, with commas")
    parser.add_argument("--durability", default="full", choices=("full", "process"))
    parser.add_argument("--batch", type=int, default=0, help="hours that one call makes")
    parser.add_argument("--runs", type=int, default=3, help="of each; above 10,000 steps one")
    parser.add_argument("--folder", help="where to work, to choose a file system")
    parser.add_argument("--here", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Make each project, run it with each number of workers, print a table."""
    given = parsed()
    if given.here:
        run_here(given.here, int(given.jobs))
        return
    print(
        f"durability {given.durability}, batch {given.batch or 'none'}, "
        f"medians of {given.runs}, one run above 10,000 steps; "
        f"Python {platform.python_version()}, {os.cpu_count()} cores; "
        f"goal {GOAL:,} steps a second"
    )
    sizes = [int(text) for text in given.steps.split(",")]
    peaks: dict[tuple[int, int], float] = {}
    root = Path(tempfile.mkdtemp(prefix="partflow-throughput-", dir=given.folder))
    try:
        for steps in sizes:
            written(root / str(steps), steps, given.batch)
            for workers in (int(text) for text in given.jobs.split(",")):
                one = (root / str(steps), workers, given.durability)
                runs = given.runs if steps <= 10_000 else 1
                found = [measured(*one) for _ in range(runs)]
                peaks[steps, workers] = report(steps, workers, found)
            shutil.rmtree(root / str(steps))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    few, many = min(sizes), max(sizes)
    if few < many:
        for workers in sorted({w for _, w in peaks}):
            growth = (peaks[many, workers] - peaks[few, workers]) / (many - few)
            print(f"-j {workers}: the coordinator grows by {growth:,.0f} bytes a step")


if __name__ == "__main__":
    main()
