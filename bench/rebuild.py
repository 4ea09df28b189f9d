"""Measures how long a metastore takes that is made anew from the files: `python bench/rebuild.py`.

Makes ten years of small partitions in a folder of its own, deletes the metastore, rebuilds it, and
says how long that took and that nothing is to be made again.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import polars as pl

from partflow import Daily, Dataset, Partition, task
from partflow.declarations.graph import derive
from partflow.execution.controls import Controls
from partflow.project.config import Config
from partflow.project.project import Project

ROWS = 240
days = Dataset("days", Daily("2015-01-01", end="2024-12-29"))


@task(writes=days)
def made(partition: Partition) -> pl.DataFrame:
    """Some rows of every day."""
    return pl.DataFrame({"n": list(range(ROWS)), "x": [float(partition.start.year)] * ROWS})


def opened(root: Path) -> Project:
    """The project anew, as each command would have it."""
    return Project(root, Config(durability="process"), derive([made]), {})


def main() -> None:
    """Make, lose, rebuild, and print."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        opened(root).materialize()
        opened(root).history.metastore.path.unlink()
        began = time.perf_counter()
        found = opened(root).upkeep.rebuild(Controls())
        seconds = time.perf_counter() - began
        left = opened(root).plan().steps
        print(
            f"{found.files:,} files in {seconds:.2f} s, {1e3 * seconds / found.files:.2f} ms each"
        )
        print(f"{left:,} partitions to be made again")


if __name__ == "__main__":
    main()
