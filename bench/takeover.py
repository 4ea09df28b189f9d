"""Kills and stops the leading `serve` again and again, and times how soon the other one leads.

Two processes serve one small project; one of them leads. In each round it is ended with SIGKILL, or
stopped with SIGSTOP, and begun anew as soon as the other one leads.

    python bench/takeover.py 200
    python bench/takeover.py 20 --stop
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from partflow.scheduler.leading import leader_of, standbys_of


def begun(root: Path) -> subprocess.Popen[bytes]:
    """One more `serve`."""
    command = [sys.executable, "-m", "partflow", "--project", str(root), "serve"]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def led(folder: Path) -> int:
    """The process that leads; 0 if none does."""
    leader = leader_of(folder)
    return 0 if leader is None else leader.pid


def awaited(holds, seconds: float = 60.0) -> float:  # noqa: ANN001 - of a benchmark
    """For how many seconds it took until something held."""
    began = time.perf_counter()
    while not holds():
        if time.perf_counter() - began > seconds:
            sys.exit("it did not come to that")
        time.sleep(0.005)
    return time.perf_counter() - began


def rounds(root: Path, count: int, number: signal.Signals) -> list[float]:
    """The seconds until the other one led, of each round."""
    folder, took = root / "warehouse/.partflow/serve", []
    processes = {p.pid: p for p in (begun(root), begun(root))}
    try:
        for _ in range(count):
            awaited(lambda: led(folder) in processes and len(standbys_of(folder)) == 1)
            leader = led(folder)
            os.kill(leader, number)
            took.append(awaited(lambda leader=leader: led(folder) not in (0, leader)))
            processes.pop(leader).wait()
            other = begun(root)
            processes[other.pid] = other
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    return took


def main() -> None:
    """Read the arguments, and print how soon the other one led."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rounds", type=int)
    parser.add_argument("--stop", action="store_true", help="SIGSTOP instead of SIGKILL")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "partflow", "init", "shop"],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        root = Path(folder, "shop")
        subprocess.run(
            [sys.executable, "-m", "partflow", "materialize"],
            cwd=root,
            check=True,
            capture_output=True,
        )
        took = rounds(root, asked.rounds, signal.SIGSTOP if asked.stop else signal.SIGKILL)
    print(f"{len(took)} rounds: median {statistics.median(took):.2f} s, most {max(took):.2f} s")


if __name__ == "__main__":
    main()
