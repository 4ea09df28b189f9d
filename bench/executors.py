"""Times what an executor adds to a call: orders of an effect that reads nothing and does nothing.

Each executor gets so many orders, as many at once as it takes in hand, in turns with the others;
the first round is not timed. `capture` is what keeping an attempt's output costs when there is
none. `death` is the time from a worker's SIGKILL until its attempt is known to have failed and the
next order is answered by another worker.

    python bench/executors.py
    python bench/executors.py --orders 5000 --rounds 7
"""

from __future__ import annotations

import argparse
import functools
import os
import signal
import statistics
import tempfile
import textwrap
import time
from pathlib import Path

from partflow.execution.executors.capture import Capture
from partflow.execution.executors.processes import ProcessExecutor
from partflow.execution.executors.protocol import Executor
from partflow.execution.executors.routing import executor_for
from partflow.execution.executors.site import Site
from partflow.execution.orders import Attempt, Lineage, Order
from partflow.project.project import Project, load_again

JOBS = """
    import os, signal, time
    from pathlib import Path
    import polars as pl
    from partflow import *

    out = Dataset("out", Hourly("2000-01-01"))

    @task(writes=out)
    def makes() -> pl.DataFrame: ...

    @effect(reads=[out.optional()])
    def nothing(paths: list[Path]) -> None: ...

    @effect(reads=[out.optional()])
    def hangs(paths: list[Path]) -> None:
        Path("pid").write_text(str(os.getpid()))
        time.sleep(60)
"""


def project(root: Path) -> Project:
    """A project with an effect that does nothing."""
    (root / "partflow.toml").write_text('jobs = ["jobs"]\n')
    (root / "jobs.py").write_text(textwrap.dedent(JOBS))
    return Project.load(root)


def order(serial: int, task: str = "nothing") -> Order:
    """An order of the effect, as a run sends it."""
    lineage = Lineage(task, "2000-01-01T00", 0, 3600, "", "bench", 0, ())  # of whatever code
    return Order("bench", task, (Attempt(serial, serial, 1, ((),), lineage),))


def timed(executor: Executor, count: int) -> float:
    """Milliseconds an order."""
    began = time.perf_counter()
    sent = done = 0
    while done < count:
        while sent < count and sent - done < executor.slots:
            sent += 1
            executor.submit(order(sent))
        found = executor.collect(1.0)
        assert all(o.failure is None for o in found)
        done += len(found)
    return (time.perf_counter() - began) / count * 1000


def captured(folder: Path, count: int) -> float:
    """Milliseconds an attempt that writes nothing."""
    capture = Capture()
    began = time.perf_counter()
    for serial in range(count):
        with capture.into([folder / f"{serial}.log"]):
            pass
    found = (time.perf_counter() - began) / count * 1000
    capture.close()
    return found


def death(site: Site) -> float:
    """Milliseconds until a killed worker's order has failed and another has done the next one."""
    executor = ProcessExecutor(site.load, site.graph, site.store, 1)
    executor.submit(order(1, "hangs"))
    pid = site.store.layout.root / "pid"
    while not pid.exists() or not pid.read_text():
        executor.collect(0.01)
    executor.submit(order(2))
    os.kill(int(pid.read_text()), signal.SIGKILL)
    pid.unlink()
    began = time.perf_counter()
    done = 0
    while done < 2:
        done += len(executor.collect(1.0))
    found = (time.perf_counter() - began) * 1000
    executor.close()
    return found


def main() -> None:
    """Time each executor in turns, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve()
        found = project(root)
        load = functools.partial(load_again, root, ())
        sites = {
            "inline": Site(found.graph, found.store, load),
            "one process": Site(found.graph, found.store, load, executor="processes"),
            "two processes": Site(found.graph, found.store, load, workers=2),
        }
        executors = {name: executor_for(site) for name, site in sites.items()}
        times: dict[str, list[float]] = {name: [] for name in (*executors, "capture")}
        for number in range(asked.rounds + 1):
            for name, executor in executors.items():
                spent = timed(executor, asked.orders if number else 300)
                times[name] += [spent] * bool(number)
            times["capture"].append(captured(root, asked.orders))
        for executor in executors.values():
            executor.close()
        for name, each in times.items():
            print(f"{name:<14} {statistics.median(each):.4f} ms  ({min(each):.4f}-{max(each):.4f})")
        deaths = [death(sites["one process"]) for _ in range(3)]
        print(f"{'death':<14} {statistics.median(deaths):.0f} ms")


if __name__ == "__main__":
    main()
