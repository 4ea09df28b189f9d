"""Times the code fingerprints of all tasks of a project, as every command and worker reads them.

The modules hold 25 tasks each, all of which call through the same 40 functions. What differs is
what runs when the modules are imported: nothing more; one module with 40 statements that set
polars' state; such a statement in each module; every task puts itself into one list, which the
last of the 40 functions reads, so that each task reaches all others; or a module lists all tasks,
and so does every task reach them.

    python bench/fingerprint.py
    python bench/fingerprint.py --sizes 300 1500 3000
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from partflow.code.fingerprint import CodeReader

BY_MODULE, CALLS = 25, 40


@dataclass(frozen=True)
class Text:
    """A module that lies nowhere."""

    name: str
    path: str
    text: str
    is_package: bool = False


def common(asked: str) -> str:
    """A chain of functions, the last of which asks a list."""
    calls = (f"def f{i}(x): return f{i + 1}(x)\n" for i in range(CALLS))
    last = f"def f{CALLS}(x): return x + len({asked})\n"
    return "".join(["from jobs import everything\nSTEPS = []\n", *calls, last])


def everything(size: int) -> str:
    """A list of all tasks."""
    modules = ", ".join(f"m{number}" for number in range(size // BY_MODULE))
    tasks = ", ".join(f"m{i // BY_MODULE}.task{i}" for i in range(size))
    return f"from jobs import {modules}\nTASKS = [{tasks}]\n"


def module(number: int, *, registers: bool, sets: bool) -> str:
    """25 tasks with a helper and a constant each."""
    lines = ["import polars as pl", "from jobs import common"]
    lines += ["pl.Config.set_tbl_rows(5)"] if sets else []
    for i in range(number * BY_MODULE, (number + 1) * BY_MODULE):
        lines += [f"K{i} = {i}", f"def helper{i}(x): return common.f0(x) + K{i}"]
        lines += [f"def task{i}(x): return pl.DataFrame({{'a': [helper{i}(x)]}})"]
        lines += [f"common.STEPS.append(task{i})"] if registers else []
    return "\n".join(lines)


def project(size: int, shape: str) -> dict[str, Text]:
    """The modules by name."""
    of_jobs = {"jobs": Text("jobs", "jobs/__init__.py", "", is_package=True)}
    is_listed = shape == "a list of all"
    texts = {"common": common("everything.TASKS" if is_listed else "STEPS")}
    texts["everything"] = everything(size) if is_listed else ""
    if shape == "one module of settings":
        lines = (f"pl.Config.set_tbl_rows({i})" for i in range(40))
        texts["a_settings"] = "\n".join(["import polars as pl", *lines])
    for number in range(size // BY_MODULE):
        texts[f"m{number}"] = module(
            number, registers=shape == "a registry", sets=shape == "a setting in each module"
        )
    named = {f"jobs.{name}": (name, text) for name, text in texts.items()}
    return of_jobs | {n: Text(n, f"jobs/{name}.py", text) for n, (name, text) in named.items()}


def functions(size: int) -> list[Callable[..., object]]:
    """As they are when their modules are imported, as far as a fingerprint looks at them."""
    made: list[Callable[..., object]] = []
    for number in range(size // BY_MODULE):
        names: dict[str, object] = {"__name__": f"jobs.m{number}"}
        tasks = range(number * BY_MODULE, (number + 1) * BY_MODULE)
        exec("\n".join(f"def task{i}(x): ..." for i in tasks), names)
        made += [names[f"task{i}"] for i in tasks]  # type: ignore[misc]
    return made


def timed(size: int, shape: str, rounds: int) -> list[float]:
    """Processor seconds of reading all modules and fingerprinting all tasks."""
    modules, tasks, spent = project(size, shape), functions(size), []
    for _ in range(rounds):
        began = time.process_time()
        reader = CodeReader(modules.get, modules=modules)
        for task in tasks:
            reader.fingerprint(task)
        spent.append(time.process_time() - began)
    return spent


SHAPES = (
    "plain",
    "one module of settings",
    "a setting in each module",
    "a registry",
    "a list of all",
)


def main() -> None:
    """Print a table: sizes, shapes, seconds."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[300, 1500])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, medians")
    for shape in SHAPES:
        for size in arguments.sizes:
            median = statistics.median(timed(size, shape, arguments.rounds))
            print(f"{shape:26} {size:6,} tasks {median:8.2f} s {1000 * median / size:8.2f} ms each")


if __name__ == "__main__":
    main()
