"""Times the derivation of large graphs from their declarations, in one process.

Three shapes, each with one task for a dataset: chains of 40, tasks that read ten datasets each, and
one dataset that every task writes for a day of its own. The goal is linear in tasks and reads:
1,000 datasets in 0.1 s, 4,000 in 0.4 s.

    python bench/deriving.py
    python bench/deriving.py --sizes 1000 4000 16000
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from datetime import date, timedelta

from partflow import Daily, Dataset, Source, task
from partflow.declarations.graph import derive
from partflow.declarations.task import Task

DAILY = Daily("2000-01-01")
GOAL = 0.1 / 1000
CHAIN, READS = 40, 10


def chains(size: int) -> list[Task]:
    """Each task reads what the one before it writes, 40 after one another."""
    source = Source("landing", DAILY, path="landing/{key}.csv")
    tasks, before = [], source
    for number in range(size):
        made = Dataset(f"d{number}", DAILY)
        read = before if number % CHAIN else source
        tasks.append(task(reads=[read], writes=made, name=f"make_d{number}")(lambda a: a))
        before = made
    return tasks


def wide(size: int) -> list[Task]:
    """Each task reads the ten datasets that were declared before its own."""
    source = Source("landing", DAILY, path="landing/{key}.csv")
    tasks, datasets = [], [source] * READS
    for number in range(size):
        made = Dataset(f"d{number}", DAILY)
        reads = {f"r{i}": each for i, each in enumerate(datasets[-READS:])}
        parameters = ", ".join(reads)
        tasks.append(
            task(reads=reads, writes=made, name=f"make_d{number}")(eval(f"lambda {parameters}: r0"))
        )
        datasets.append(made)
    return tasks


def shared(size: int) -> list[Task]:
    """One dataset, of which each task makes one day; and each reads the day before."""
    made = Dataset("days", DAILY)
    first = date(2000, 1, 1)
    return [
        task(
            reads=[made.previous()],
            writes=made,
            name=f"make_d{number}",
            during=(str(first + timedelta(number)), str(first + timedelta(number + 1))),
        )(lambda a: a)
        for number in range(size)
    ]


def timed(tasks: list[Task], rounds: int) -> list[float]:
    """Processor seconds of deriving a graph and asking it once for its nodes and who reads each."""
    walls = []
    for _ in range(rounds):
        began = time.process_time()
        graph = derive(tasks)
        for node in graph.nodes:
            graph.readers(node)
        walls.append(time.process_time() - began)
    return walls


def main() -> None:
    """Derive each shape in each size; print medians with their spread."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 4000])
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores; medians of {given.rounds}")
    for shape in (chains, wide, shared):
        for size in given.sizes:
            walls = timed(shape(size), given.rounds)
            print(
                f"{shape.__name__:8}{size:8,} tasks{statistics.median(walls) * 1e3:8.0f} ms  "
                f"{min(walls) * 1e3:.0f} to {max(walls) * 1e3:.0f}  (goal: {size * GOAL * 1e3:.0f})"
            )


if __name__ == "__main__":
    main()
