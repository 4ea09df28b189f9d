"""Times starting: the import, `--help`, and `materialize` with nothing to do.

The project is that of `bench/small`, 1,095 partitions, all made. Each command is a whole process;
they take turns. What the user's own modules take to import, polars among them, is timed beside: a
run with nothing to do may take that plus 150 ms.

    python bench/start.py
    python bench/start.py --rounds 41
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from overhead import environment, landed

GOAL = 0.150
PLAIN, USER, IDLE = "python -c pass", "the user's modules", "materialize, nothing to do"
PARTFLOW = (sys.executable, "-m", "partflow")
COMMANDS = {
    PLAIN: (sys.executable, "-c", "pass"),
    "import partflow": (sys.executable, "-c", "import partflow"),
    "partflow --help": (*PARTFLOW, "--help"),
    "import of Daily, Dataset, task": (
        sys.executable,
        "-c",
        "from partflow import Daily, Dataset, task",
    ),
    USER: (sys.executable, "-c", "import jobs.sales"),
    IDLE: (*PARTFLOW, "materialize"),
    "the same, trusting the record": (*PARTFLOW, "materialize", "--no-verify"),
}


def timed(root: Path, command: tuple[str, ...]) -> float:
    """Wall seconds of one process."""
    began = time.perf_counter()
    subprocess.run(command, cwd=root, env=environment(), capture_output=True, check=True)
    return time.perf_counter() - began


def report(walls: dict[str, list[float]]) -> None:
    """Medians with their spread, and what is left of the goals."""
    for name, each in walls.items():
        print(
            f"{name:32}{statistics.median(each) * 1e3:7.0f} ms  "
            f"{min(each) * 1e3:5.0f} to {max(each) * 1e3:.0f}"
        )
    beyond = [idle - own for idle, own in zip(walls[IDLE], walls[USER], strict=True)]
    print(
        f"nothing to do takes {statistics.median(beyond) * 1e3:.0f} ms more than the user's modules"
        f" (goal: {GOAL * 1e3:.0f} ms)"
    )


def main() -> None:
    """Make the project, let the commands take turns, print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=21)
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="partflow-start-"))
    walls: dict[str, list[float]] = {name: [] for name in COMMANDS}
    try:
        landed(root)
        for command in (COMMANDS[IDLE], *COMMANDS.values()):  # makes it all, then warms up
            timed(root, command)
        for _ in range(given.rounds):
            for name, command in COMMANDS.items():
                walls[name].append(timed(root, command))
    finally:
        shutil.rmtree(root, ignore_errors=True)
    print(
        f"medians of {given.rounds}; Python {platform.python_version()}, {os.cpu_count()} cores; "
        f"goal {GOAL * 1e3:.0f} ms for the import and --help"
    )
    report(walls)


if __name__ == "__main__":
    main()
