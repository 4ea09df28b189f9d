"""Times the looks of `serve` over a large warehouse at rest: a full one, and one a minute.

The warehouse is that of `planning.py`, with a small file for each partition; with --at it is kept
in that folder and used again. Both looks are taken in this process, as a child takes them, and the
seconds of processor are those of its threads.

    python bench/serving.py 365000
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from planning import CHAINS, LENGTH, apart, filled, written

from partflow.project.project import Project
from partflow.scheduler.lookout import Lookout


def timed(look: Callable[[], object], rounds: int) -> tuple[float, float]:
    """The median seconds by the wall, and of the processor."""
    walls, used = [], []
    for _ in range(rounds):
        wall, cpu = time.perf_counter(), time.process_time()
        look()
        walls.append(time.perf_counter() - wall)
        used.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(used)


def measured(root: Path, rounds: int) -> None:
    """Print what looks take."""
    lookout = Lookout.of(Project.load(root), "")
    outlook = lookout.look(at_all=True)
    print(f"steps {sum(len(s.ordinals) for s in outlook.steps.values())}")
    for name, at_all in (("full", True), ("a minute", False)):
        wall, cpu = timed(lambda at_all=at_all: lookout.look(at_all=at_all), rounds)
        print(f"{name:10} {wall:8.3f} s wall {cpu:8.3f} s processor")


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("partitions", type=int)
    parser.add_argument("--at", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = asked.at or Path(folder, "project")
        if not root.exists():
            written(root, asked.partitions // (CHAINS * LENGTH))
            apart(filled, root, files=True)
        measured(root, asked.rounds)


if __name__ == "__main__":
    main()
